"""In a real browser: the page can do nothing but what it is made for, and pages of others can do nothing with it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from looking import expect
from playwright.sync_api import Browser
from running import Daemon, scratch
from waiting import eventually

TRIES = """async () => {
  await new Promise((later) => setTimeout(later));  // what the driver runs itself may do more
  const said = [];
  const refused = async (name, attempt) => {
    try { await attempt(); said.push(name); } catch { /* as it should be */ }
  };
  await refused("HTML of text", () => { document.createElement("div").innerHTML = "<b>x</b>"; });
  await refused("code of text", () => eval("1"));
  await refused("a function of text", () => new Function("1"));
  await refused("a script of text", () => { document.createElement("script").src = "app.js"; });
  await refused("another server", () => fetch("http://localhost:9/"));
  await refused("another base", () => {
    const base = document.createElement("base");
    base.href = "http://localhost:9/";
    document.head.append(base);
    if (document.baseURI === location.href.split("#")[0]) throw new Error();
  });
  const style = document.createElement("style");
  style.textContent = "body { color: rgb(1, 2, 3); }";
  document.head.append(style);
  if (getComputedStyle(document.body).color === "rgb(1, 2, 3)") said.push("a style of text");
  return said;
}"""
# What a page elsewhere tries with a daemon on this machine, which wants no token from here.
ELSEWHERE = """async (port) => {
  const here = `http://127.0.0.1:${port}`;
  const said = [];
  for (const path of ["/status", "/api/devices", "/healthz", "/app.js"]) {
    await fetch(here + path).then(() => said.push(`reads ${path}`), () => {});
    await fetch(here + path, { mode: "no-cors" }).then(() => said.push(`loads ${path}`), () => {});
  }
  for (const [tag, path] of [["script", "/app.js"], ["img", "/favicon.svg"]]) {
    const element = document.createElement(tag);
    await new Promise((done) => {
      element.onload = () => done(said.push(`embeds ${path}`));
      element.onerror = done;
      element.src = here + path;
      document.body.append(element);
    });
  }
  await new Promise((done) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    socket.onopen = () => done(said.push("opens the WebSocket"));
    socket.onerror = done;
  });
  const frame = document.createElement("iframe");
  await new Promise((done) => {
    frame.onload = done;
    frame.src = here + "/";
    document.body.append(frame);
  });
  return said;
}"""


class Empty(BaseHTTPRequestHandler):
    """A site of somebody else."""

    def do_GET(self) -> None:
        """An empty page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def elsewhere() -> Iterator[int]:
    """The port of a site of somebody else, which is another one under the name localhost."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_page_can_do_nothing_but_what_it_is_made_for(browser: Browser, idle: Daemon) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{idle.port}/")
    expect(page.locator(".state")).to_have_text("live")
    assert page.evaluate(TRIES) == []
    page.close()


@pytest.mark.parametrize("name", ["localhost", pytest.param("127.0.0.1", marks=pytest.mark.slow)])
def test_a_page_elsewhere_learns_nothing_and_shows_nothing_of_it(browser: Browser, idle: Daemon, name: str) -> None:
    with elsewhere() as port:
        page = browser.new_page()
        page.goto(f"http://{name}:{port}/")
        assert page.evaluate(ELSEWHERE, idle.port) == []
        # The driver hears of frames while it is asked something.
        eventually(lambda: page.evaluate("1") and page.frames[1].url.startswith("chrome-error:"))
        page.close()


@pytest.mark.slow
def test_who_shows_no_token_is_told_so_without_a_dialog(browser: Browser) -> None:
    made = Daemon(scratch())
    made.config.write_text(made.config.read_text().replace("[websocket]\n", "[websocket]\ntoken = correct-horse\n"))
    with made as daemon:
        page = browser.new_page()
        reply = page.goto(f"http://127.0.0.1:{daemon.port}/api/devices")
        assert reply is not None
        assert reply.status == 401
        assert page.inner_text("body").strip() == "a token is needed"
        page.close()
