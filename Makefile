# `make run` and `make test` need git, make, python3 (3.11 or newer) and python3-venv; they fetch the rest themselves.
# `make help` lists what else there is.

PYTHON ?= python3
PYTHON2 ?= python2.7
VENV := .venv
BIN := $(VENV)/bin
# Packages without a pyproject.toml are built as the others are; the pip of Debian 12 would warn of each.
PIP := -m pip --disable-pip-version-check --quiet
INSTALL := $(BIN)/python $(PIP) install --use-pep517

# The daemon of this checkout: the shipped configuration, and everything that it writes below ./var. The paths are
# relative, because the path of a unix socket may have no more than 107 bytes.
HERE := NETWATCHD_CONFIG=config.ini STATE_DIRECTORY=var/lib RUNTIME_DIRECTORY=var/run

URLS := from netwatchd import config; at = config.load().websocket; print("  page         ", at.page_url); print("  live stream  ", at.url)

# The installed daemon. It gets the system's own Python: another one may lie where the service's user cannot read.
PREFIX ?= /opt/netwatchd
SYSTEM_PYTHON ?= $(firstword $(wildcard /usr/bin/python3) $(PYTHON))
COMMAND := /usr/local/bin/netwatchd
# What is optional: sudo make install EXTRAS=metrics. An update keeps it, unless EXTRAS= says otherwise.
EXTRAS ?= $(if $(wildcard $(PREFIX)/lib/python3*/site-packages/prometheus_client),metrics)
WITH := $(if $(EXTRAS),[$(EXTRAS)])
CONFIG := /etc/netwatchd/config.ini
SHARE := /usr/local/share
# Where man and the shells look; each file is made by the installed program itself.
MAN_PAGES := $(SHARE)/man/man1/netwatchd.1 $(SHARE)/man/man5/netwatchd.ini.5
COMPLETIONS := $(SHARE)/bash-completion/completions/netwatchd $(SHARE)/zsh/site-functions/_netwatchd $(SHARE)/fish/vendor_completions.d/netwatchd.fish
UNIT := /etc/systemd/system/netwatchd.service
ACCOUNT := netwatchd

.PHONY: help run status doctor devices device name forget merge split flows threats threat acknowledge dismiss reopen top lists lookup watch alert-test man test test-slow test-systemd lab lab-threats soak lint format docs bench bench-flows bench-page screenshots accuracy conformance fuzz install uninstall clean
.DEFAULT_GOAL := help

help:
	@echo 'make run                                    run the daemon here, in the foreground, with its data below ./var'
	@echo 'make status | devices | flows | threats | top    look at what it has found; ARGS="--json" and the like'
	@echo 'make watch                                  what happens, as it happens; make top ARGS=--live: who moves most now'
	@echo 'make device | name | forget | merge | split      one device; ARGS="DEVICE ..."'
	@echo 'make threat | acknowledge | dismiss | reopen     one threat; ARGS="ID ..."'
	@echo 'make doctor                                 what works, and which threats can be seen'
	@echo 'make man                                    the manual pages, below ./build'
	@echo 'make test                                   lint, and the whole test suite'
	@echo 'make lint | format | test-slow | bench      parts of it, and what takes long'
	@echo 'make bench-flows                            flows from exporters, beside nfcapd and nfacctd; ARGS=--quick'
	@echo 'make bench-page | screenshots               the page in a browser: figures, and the pictures of docs/; needs chromium'
	@echo 'make docs                                   config.ini and docs/CONFIG.md anew, of what the program reads'
	@echo 'make accuracy                               what others recorded, compared with what they made of it'
	@echo 'make conformance                            the Autobahn Testsuite against the WebSocket server; ARGS=--fast'
	@echo 'make fuzz                                   damaged input for everything that reads; ARGS="--minutes 60"'
	@echo 'make lab                                    a home of network namespaces: exactly the news of what happens there; root; ARGS="--minutes 60"'
	@echo 'make lab-threats                            the same home under attack: the alerts, and how soon they come; root'
	@echo 'make soak                                   everything at once for an hour; ARGS="--minutes 2"'
	@echo 'sudo make test-systemd                      the service in a systemd of its own; needs debootstrap, systemd-container'
	@echo 'sudo make install | uninstall               the systemd service, in $(PREFIX)'
	@echo 'make clean                                  remove the virtual environment and what tools left; ./var stays'

# The virtual environments. A stamp is older than setup.cfg where the packages must be looked at again.

$(VENV)/installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'netwatchd needs Python 3.11 or newer; say which one: make PYTHON=python3.11 ...' >&2; exit 1; }
	@echo 'making the virtual environment $(VENV)'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/installed-tools: $(VENV)/installed
	@echo 'installing what tests need into $(VENV)'
	@$(INSTALL) --editable '.[test,lint]'
	@touch $@

# Running from the checkout. After Ctrl-C the daemon ends by itself; make waits for it.

run: $(VENV)/installed
	@echo 'netwatchd runs in this terminal until Ctrl-C and keeps its data below ./var.'
	@$(HERE) $(BIN)/python -c '$(URLS)' 2>/dev/null || :
	@echo '  look at it    make status | doctor | devices | flows | top | threats     (in another terminal, here)'
	@$(HERE) exec $(BIN)/netwatchd run

status doctor devices device name forget merge split flows threats threat acknowledge dismiss reopen top lists lookup watch alert-test: $(VENV)/installed
	@$(HERE) $(BIN)/netwatchd $@ $(ARGS)

# The manual, below ./build; `make install` puts it where man looks.
man: $(VENV)/installed
	@mkdir -p build
	@$(BIN)/python -m netwatchd.cli.manual 1 > build/netwatchd.1
	@$(BIN)/python -m netwatchd.cli.manual 5 > build/netwatchd.ini.5
	@echo 'read it with: man -l build/netwatchd.1'

# Checking.

# Most tests wait for something most of the time, so that there may be more of them at once than there are cores.
WORKERS ?= 4

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-slow: $(VENV)/installed-tools
	$(BIN)/python -m pytest -m slow $(ARGS)

# The home is built by ../shared/tools/lab.py, or by what $NETWATCHD_LAB names.
lab: $(VENV)/installed-tools
	@$(BIN)/python tests/lab_journey.py $(ARGS)

lab-threats: $(VENV)/installed-tools
	@$(BIN)/python tests/lab_threats.py $(ARGS)

soak: $(VENV)/installed-tools
	@PYTHONPATH=tests $(BIN)/python -m soak $(ARGS)

test-systemd: $(VENV)/installed-tools
	$(BIN)/python -m pytest -m slow tests/test_systemd*.py $(ARGS)

lint: $(VENV)/installed-tools
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@test ! -x $(BIN)/oxlint || $(BIN)/oxlint --deny-warnings netwatchd/page

format: $(VENV)/installed-tools
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/installed-tools
	$(BIN)/python -m bench $(ARGS)

# Beside those of nfdump and pmacct, where they are installed: apt install nfdump pmacct
bench-flows: $(VENV)/installed-tools
	@PYTHONPATH=tests $(BIN)/python -m bench.flows $(ARGS)

# The page in Debian's browser: apt install chromium
bench-page: $(VENV)/installed-tools
	@PYTHONPATH=tests $(BIN)/python -m bench.page $(ARGS)

screenshots: $(VENV)/installed-tools
	@$(BIN)/python tests/screenshots.py $(ARGS)

# config.ini and docs/CONFIG.md are made of the fields that the program reads; a test compares them.
docs: $(VENV)/installed-tools
	@$(BIN)/python tests/reference.py

accuracy: $(VENV)/installed-tools
	@$(BIN)/python -m accuracy $(ARGS)

# The Autobahn Testsuite runs on CPython 2.7 only; it is installed below ./build.
conformance: $(VENV)/installed-tools
	@$(BIN)/python tests/conformance.py --python2 $(PYTHON2) $(ARGS)

fuzz: $(VENV)/installed-tools
	@$(BIN)/python tests/fuzz.py $(ARGS)

# Installing. Packages are fetched and built first, in a copy, so that a failing network leaves what runs as it is,
# and nothing that belongs to root stays in the checkout.

install:
	@test "$$(id -u)" = 0 || { echo 'installing needs root: sudo make install' >&2; exit 1; }
	@test -e $(PREFIX)/pyvenv.cfg || test ! -e $(PREFIX) || rmdir $(PREFIX) 2>/dev/null || \
		{ echo '$(PREFIX) holds something else; give netwatchd a directory of its own: PREFIX=...' >&2; exit 1; }
	@set -e; umask 022; build=$$(mktemp -d); trap 'rm -rf "$$build"' EXIT; \
		echo 'fetching and building the packages'; \
		cp -R netwatchd setup.cfg pyproject.toml README.md LICENSE "$$build"; \
		$(SYSTEM_PYTHON) -m venv "$$build/venv"; \
		"$$build/venv/bin/python" $(PIP) wheel --use-pep517 --wheel-dir "$$build/wheels" "$$build$(WITH)"; \
		echo 'installing into $(PREFIX)'; \
		$(SYSTEM_PYTHON) -m venv --clear $(PREFIX); \
		$(PREFIX)/bin/python $(PIP) install --no-index --find-links "$$build/wheels" "netwatchd$(WITH)"
	@ln -sfn $(PREFIX)/bin/netwatchd $(COMMAND)
	@install -d -m 0755 $(sort $(dir $(MAN_PAGES) $(COMPLETIONS)))
	@set -e; umask 022; \
		$(PREFIX)/bin/python -m netwatchd.cli.manual 1 > $(word 1,$(MAN_PAGES)); \
		$(PREFIX)/bin/python -m netwatchd.cli.manual 5 > $(word 2,$(MAN_PAGES)); \
		$(PREFIX)/bin/netwatchd completion bash > $(word 1,$(COMPLETIONS)); \
		$(PREFIX)/bin/netwatchd completion zsh > $(word 2,$(COMPLETIONS)); \
		$(PREFIX)/bin/netwatchd completion fish > $(word 3,$(COMPLETIONS))
	@getent passwd $(ACCOUNT) >/dev/null || useradd --system --user-group --no-create-home \
		--home-dir /var/lib/netwatchd --shell /usr/sbin/nologin $(ACCOUNT)
	@install -d -m 0755 $(dir $(CONFIG))
	@test -e $(CONFIG) && echo 'keeping your $(CONFIG)' || \
		install -m 0640 -o root -g $(ACCOUNT) config.ini $(CONFIG)
	@install -d -m 0755 $(dir $(UNIT))
	@sed 's|/opt/netwatchd|$(PREFIX)|' systemd/netwatchd.service > $(UNIT) && chmod 0644 $(UNIT)
	@if test -d /run/systemd/system; then systemctl daemon-reload && systemctl try-restart netwatchd; fi
	@echo 'installed: $(PREFIX), $(COMMAND), $(CONFIG), $(UNIT)'
	@echo '           the manual, man netwatchd and man netwatchd.ini, and completions for bash, zsh and fish below $(SHARE)'
	@echo 'next:'
	@echo '  sudoedit $(CONFIG)        what you want otherwise'
	@echo '  sudo systemctl enable --now netwatchd      start it, now and at every boot'
	@echo '  journalctl -u netwatchd                    what it says'
	@echo '  sudo netwatchd status                      what it does; also devices, flows, threats, top'

uninstall:
	@test "$$(id -u)" = 0 || { echo 'uninstalling needs root: sudo make uninstall' >&2; exit 1; }
	@if test -d /run/systemd/system && test -e $(UNIT); then systemctl disable --now netwatchd; fi
	@rm -f $(UNIT) $(COMMAND) $(MAN_PAGES) $(COMPLETIONS)
	@if test -e $(PREFIX)/pyvenv.cfg; then rm -rf $(PREFIX); fi
	@if test -d /run/systemd/system; then systemctl daemon-reload; fi
	@echo 'removed: $(PREFIX), $(COMMAND), $(UNIT), the manual and the completions'
	@echo 'kept:    $(dir $(CONFIG)), /var/lib/netwatchd, the user $(ACCOUNT); to remove them too:'
	@echo '         sudo rm -r $(dir $(CONFIG)) /var/lib/netwatchd && sudo userdel $(ACCOUNT)'

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
