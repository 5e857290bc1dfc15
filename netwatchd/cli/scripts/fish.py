"""The completion of fish."""

from collections.abc import Iterable, Sequence

from netwatchd.cli.grammar import Verb, Word

_FRAME = r"""# Completion of netwatchd for fish; made by: netwatchd completion fish

# Whether the command line is at a place of a verb, counted from 0; `-` is any place, `*` all from there on.
function __netwatchd_at
    set -l taking @TAKING@
    set -l words (commandline -opc)[2..-1]
    set -l verb ''
    set -l place 0
    set -l skip 0
    for word in $words
        if test $skip = 1
            set skip 0
        else if string match -q -- '-*' $word
            contains -- $word $taking; and set skip 1
        else if test -z "$verb"
            set verb $word
        else
            set place (math $place + 1)
        end
    end
    test "$verb" = "$argv[1]"; or return 1
    contains -- "$argv[2]" - $place; and return 0
    string match -q -- '*+' "$argv[2]"; and test $place -ge (string trim -r -c + -- $argv[2])
end

function __netwatchd_ask
    set -l words (commandline -opc)
    set -l more
    for flag in --state --config
        if set -l at (contains -i -- $flag $words)
            set -a more $flag $words[(math $at + 1)]
        end
    end
    command netwatchd completion $more -- $argv[1] (commandline -ct | string unescape) 2>/dev/null
end

complete -c netwatchd -f
complete -c netwatchd -n '__netwatchd_at "" 0' -s h -l help -d 'show the help'
complete -c netwatchd -n '__netwatchd_at "" 0' -l version -d 'show the version'
"""


def script(verbs: Sequence[Verb]) -> str:
    """The script."""
    taking = {flag: None for verb in verbs for each in verb.flags if each.takes_value for flag in each.flags}
    lines = [line for verb in verbs for line in _lines(verb)]
    return _FRAME.replace("@TAKING@", " ".join(taking)) + "\n".join(lines) + "\n"


def _lines(verb: Verb) -> Iterable[str]:
    yield f"complete -c netwatchd -n '__netwatchd_at \"\" 0' -a {verb.name} -d {_quoted(verb.help)}"
    here = f"complete -c netwatchd -n '__netwatchd_at {verb.name} -'"
    for each in verb.flags:
        names = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in each.flags)
        takes = _values(each, "-x", "-r") if each.takes_value else ""
        yield f"{here} {names} -d {_quoted(each.help)}{takes}"
    for number, each in enumerate(verb.places):
        place = f"{number}+" if each.nargs in ("*", "+") else str(number)
        if values := _values(each, "", "").strip():
            yield f"complete -c netwatchd -n '__netwatchd_at {verb.name} {place}' {values}"


def _values(word: Word, exclusive: str, needed: str) -> str:
    """The flags of `complete` for what may stand there."""
    if word.source == "files":
        return f" {needed} -F"
    sources = {"devices": "(__netwatchd_ask devices)", "threats": "(__netwatchd_ask threats)",
               "directories": "(__fish_complete_directories)", "words": " ".join(word.words)}  # fmt: skip
    keep = " -k" if word.source in ("devices", "threats") else ""
    return f" {exclusive}" + (f"{keep} -a {_quoted(sources[word.source])}" if word.source else "")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
