"""The completion of zsh, by its own `_arguments`."""

from collections.abc import Iterable, Sequence

from netwatchd.cli.grammar import Verb, Word

_FRAME = r"""#compdef netwatchd
# Completion of netwatchd for zsh; made by: netwatchd completion zsh

_netwatchd_ask() {
  local line name state
  local -a found more
  integer at
  for flag in --state --config; do
    at=${words[(I)$flag]}
    (( at && at < CURRENT - 1 )) && more+=($flag ${(Q)words[at + 1]})
  done
  for line in ${(f)"$(command netwatchd completion $more -- $1 "${(Q)PREFIX}" 2> /dev/null)"}; do
    name=${${line%%$'\t'*}//\\/\\\\}
    found+=("${name//:/\\:}:${line#*$'\t'}")
  done
  _describe -t $1 $1 found -M 'm:{[:lower:][:upper:]}={[:upper:][:lower:]}'
}

_netwatchd() {
  local curcontext=$curcontext state line ret=1
  local -a verbs
  verbs=(
@VERBS@
  )
  _arguments -C \
    '(- *)'{-h,--help}'[show the help]' '(- *)--version[show the version]' \
    '1:verb:->verb' '*:: :->rest' && ret=0
  case $state in
    verb) _describe -t verbs verb verbs && ret=0 ;;
    rest)
      case $words[1] in
@CASES@
      esac
      ;;
  esac
  return ret
}

if [[ $funcstack[1] == _netwatchd ]]; then
  _netwatchd "$@"
else
  compdef _netwatchd netwatchd
fi
"""


def script(verbs: Sequence[Verb]) -> str:
    """The script."""
    shown = "\n".join(f"    {_quoted(f'{verb.name}:{verb.help}')}" for verb in verbs)
    cases = "\n".join(
        f"        {verb.name}) _arguments \\\n          " + " \\\n          ".join(_specs(verb)) + " && ret=0 ;;"
        for verb in verbs
    )
    return _FRAME.replace("@VERBS@", shown).replace("@CASES@", cases)


def _specs(verb: Verb) -> Iterable[str]:
    for flag in verb.flags:
        about = f"[{_escaped(flag.help)}]"
        value = f":{flag.metavar}:{_action(flag)}" if flag.metavar else ""
        if flag.nargs == "?":
            value = f":{value}"
        if len(flag.flags) > 1:
            yield f"'({' '.join(flag.flags)})'{{{','.join(flag.flags)}}}{_quoted(about + value)}"
        else:
            yield _quoted(f"{flag.flags[0]}{about}{value}")
    for number, place in enumerate(verb.places, 1):
        where = "*" if place.nargs in ("*", "+") else f"{number}:" if place.nargs == "?" else str(number)
        yield _quoted(f"{where}:{place.metavar}:{_action(place)}")


def _action(word: Word) -> str:
    if word.source == "words":
        return f"({' '.join(word.words)})"
    actions = {"devices": " _netwatchd_ask devices", "threats": " _netwatchd_ask threats", "files": "_files",
               "directories": "_files -/"}  # fmt: skip
    return actions.get(word.source, " ")


def _escaped(text: str) -> str:
    return "".join(f"\\{each}" if each in "[]:\\" else each for each in text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
