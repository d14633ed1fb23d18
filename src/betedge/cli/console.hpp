#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace betedge::cli {

// How much the standard streams can show.
struct Looks {
  bool animate = false;    // standard error is a terminal that redraws a line
  bool color_out = false;  // on standard output
  bool color_err = false;
  bool unicode = false;  // more than ASCII
  bool out_is_terminal = false;
};

// By NO_COLOR, CLICOLOR, CLICOLOR_FORCE, TERM and the locale, as clig.dev and no-color.org want it.
Looks looks_of(const std::function<std::optional<std::string>(const char*)>& environment,
               bool out_is_terminal, bool err_is_terminal);

// Where a command writes: results to `out`, what is for people's eyes meanwhile to `err`.
class Console {
 public:
  virtual ~Console() = default;
  virtual void out(std::string_view text) = 0;
  virtual void err(std::string_view text) = 0;
  // Columns of the terminal now; it may change at any time.
  virtual std::size_t columns() const = 0;
  virtual Looks looks() const = 0;
};

std::unique_ptr<Console> real_console();

// The text in a colour ("32"), or as it is.
std::string colored(std::string_view text, std::string_view color, bool on);

}  // namespace betedge::cli
