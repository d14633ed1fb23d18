#include "betedge/cli/completion.hpp"

namespace betedge::cli {

namespace {

constexpr std::string_view kBash = R"sh(# betedge completion bash > /etc/bash_completion.d/betedge
_betedge() {
  local word=${COMP_WORDS[COMP_CWORD]} found=
  local command=("${COMP_WORDS[1]}")
  if [[ $command == plan ]] && ((COMP_CWORD > 2)); then command+=("${COMP_WORDS[2]}"); fi
  if ((COMP_CWORD == 1)); then
    found=$(betedge --help --all | sed -n 's/^  betedge \([a-z]*\) .*/\1/p')
  elif [[ $command == completion ]]; then
    found='bash zsh fish'
  elif [[ ${command[*]} == plan ]]; then
    found='option stock earnings'
  elif [[ $word == -* ]]; then
    found=$(betedge "${command[@]}" --help | sed -n 's/^  \(-h,\)\{0,1\}\(--[a-z0-9-]*\).*/\2/p')
  fi
  mapfile -t COMPREPLY < <(compgen -W "$found" -- "$word")
}
complete -o default -F _betedge betedge
)sh";

constexpr std::string_view kZsh = R"sh(#compdef betedge
# betedge completion zsh > "${fpath[1]}/_betedge"
_betedge() {
  local -a found command
  command=("$words[2]")
  if [[ $command == plan ]] && ((CURRENT > 3)); then command+=("$words[3]"); fi
  if ((CURRENT == 2)); then
    found=(${(f)"$(betedge --help --all | sed -n 's/^  betedge \([a-z]*\)  *\(.*\)/\1:\2/p')"})
    _describe command found
  elif [[ $command == completion ]]; then
    compadd -- bash zsh fish
  elif [[ "$command" == plan ]]; then
    compadd -- option stock earnings
  elif [[ $PREFIX == -* ]]; then
    found=(${(f)"$(betedge $command --help | sed -n 's/^  \(-h,\)\{0,1\}\(--[a-z0-9-]*\).*/\2/p')"})
    compadd -- $found
  else
    _files
  fi
}
if [[ $funcstack[1] == _betedge ]]; then _betedge "$@"; else compdef _betedge betedge; fi
)sh";

constexpr std::string_view kFish =
    R"sh(# betedge completion fish > ~/.config/fish/completions/betedge.fish
function __betedge_options
  set -l command (commandline -opc)[2..]
  if test "$command[1]" = plan
    betedge $command[1..2] --help
  else
    betedge $command[1] --help
  end | sed -n 's/^  \(-h,\)\{0,1\}\(--[a-z0-9-]*\).*/\2/p'
end
complete -c betedge -n __fish_use_subcommand -f -a "(betedge --help --all | sed -n 's/^  betedge \([a-z]*\)  *\(.*\)/\1\t\2/p')"
complete -c betedge -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'
complete -c betedge -n '__fish_seen_subcommand_from plan; and not __fish_seen_subcommand_from option stock earnings' -f -a 'option stock earnings'
complete -c betedge -n 'not __fish_use_subcommand; and string match -q -- "-*" (commandline -ct)' -f -a '(__betedge_options)'
)sh";

}  // namespace

std::optional<std::string_view> completion_script(std::string_view shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return std::nullopt;
}

}  // namespace betedge::cli
