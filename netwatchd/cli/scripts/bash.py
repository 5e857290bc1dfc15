"""The completion of bash; it needs nothing but bash itself, from version 4.4 on."""

from collections.abc import Iterable, Sequence

from netwatchd.cli.grammar import Verb, Word

# How a word is put together again that bash has taken apart at `:` and `=`; how many places are filled; and how a
# name is quoted. Nothing that was told by the network goes through `compgen -W`, which would expand it.
_FRAME = r"""# Completion of netwatchd for bash; made by: netwatchd completion bash

_netwatchd_ask() {
    local -a more=()
    local candidate about quoted mark=${value:0:1}
    local begun=${value//\\/}
    [[ $mark == [\"\'] ]] && begun=${begun:1} || mark=
    [[ -n $state ]] && more+=(--state "${state/#\~\//$HOME/}")
    [[ -n $config ]] && more+=(--config "${config/#\~\//$HOME/}")
    while IFS=$'\t' read -r candidate about; do
        quoted=$candidate
        case $mark in
            '') printf -v quoted %q "$candidate" ;;
            # What would act within these quotes is not offered: bash puts it in as it is.
            \') [[ $candidate == *\'* ]] && continue ;;
            *) [[ $candidate == *[\"\$\`\\!]* ]] && continue ;;
        esac
        COMPREPLY+=("$quoted")
    done < <(command "$program" completion "${more[@]}" -- "$1" "$begun" 2> /dev/null)
}

_netwatchd_words() {
    local word
    for word; do
        [[ $word == "$value"* ]] && COMPREPLY+=("$word")
    done
}

_netwatchd_files() {
    local found
    compopt -o filenames 2> /dev/null
    while IFS= read -r found; do
        COMPREPLY+=("$found")
    done < <(compgen "$1" -- "$value")
}

_netwatchd() {
    local rest=${COMP_LINE:0:COMP_POINT} word value verb= flag= state= config= program=${COMP_WORDS[0]} at place=0
    local -a words=()
    COMPREPLY=()
    type -t -- "$program" > /dev/null || program=netwatchd
    for ((at = 0; at <= COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        if ((at == 0)) || [[ $rest == [[:space:]]* ]]; then
            rest=${rest#"${rest%%[![:space:]]*}"}
            words+=("")
        fi
        ((at == COMP_CWORD)) && word=$rest
        words[${#words[@]}-1]+=$word
        rest=${rest#"$word"}
    done
    value=${words[${#words[@]}-1]}
    for ((at = 1; at < ${#words[@]} - 1; at++)); do
        word=${words[at]}
        if [[ -n $flag ]]; then
            [[ $flag == --state ]] && state=$word
            [[ $flag == --config ]] && config=$word
            flag=
        elif [[ $word == --state=* ]]; then
            state=${word#*=}
        elif [[ $word == --config=* ]]; then
            config=${word#*=}
        elif [[ $word == -* ]]; then
            case $verb:$word in
                @TAKING@) flag=$word ;;
            esac
        elif [[ -z $verb ]]; then
            verb=$word
        else
            ((place++))
        fi
    done
    if [[ -z $flag && $value == --*=* ]]; then
        flag=${value%%=*}
        value=${value#*=}
    fi
    if [[ -n $flag ]]; then
        case $verb:$flag in
@FLAGS@
        esac
    elif [[ $value == -* ]]; then
        case $verb in
@NAMES@
        esac
    else
        case $verb:$place in
            :*) _netwatchd_words @VERBS@ ;;
@PLACES@
        esac
    fi
    # Bash puts in what is behind the last place at which it has taken the word apart.
    word=${words[${#words[@]}-1]}
    if [[ $word == *[:=]* && $COMP_WORDBREAKS == *:* && ${word:0:1} != [\"\'] ]]; then
        word=${word%"${word##*[:=]}"}
        [[ $word == --*= ]] && word=
        [[ $word == --*=* ]] && word=${word#*=}
        for at in "${!COMPREPLY[@]}"; do
            COMPREPLY[at]=${COMPREPLY[at]#"$word"}
        done
    fi
}

complete -F _netwatchd netwatchd
"""


def script(verbs: Sequence[Verb]) -> str:
    """The script."""
    taking = [f"{verb.name}:{flag}" for verb in verbs for each in verb.flags if each.takes_value for flag in each.flags]
    names = (f"{verb.name}) _netwatchd_words {' '.join(_flags(verb))} ;;" for verb in verbs)
    parts = {
        "TAKING": " | ".join(taking),
        "FLAGS": _lines(
            (f"{verb.name}:{flag}", each) for verb in verbs for each in verb.flags for flag in each.flags
        ),
        "NAMES": "\n".join(f"            {line}" for line in (*names, "'') _netwatchd_words --help --version ;;")),
        "VERBS": " ".join(verb.name for verb in verbs),
        "PLACES": _lines(place for verb in verbs for place in _places(verb)),
    }  # fmt: skip
    text = _FRAME
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    return text


def _flags(verb: Verb) -> Iterable[str]:
    return (flag for each in verb.flags for flag in each.flags if flag.startswith("--"))


def _places(verb: Verb) -> Iterable[tuple[str, Word]]:
    for number, each in enumerate(verb.places):
        yield f"{verb.name}:{'*' if each.nargs in ('*', '+') else number}", each


def _lines(cases: Iterable[tuple[str, Word]]) -> str:
    return "\n".join(f"            {pattern}) {command} ;;" for pattern, word in cases if (command := _command(word)))


def _command(word: Word) -> str:
    if word.source in ("devices", "threats"):
        return f"_netwatchd_ask {word.source}"
    if word.source in ("files", "directories"):
        return f"_netwatchd_files {'-f' if word.source == 'files' else '-d'}"
    return f"_netwatchd_words {' '.join(word.words)}" if word.words else ""
