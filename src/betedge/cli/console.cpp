#include "betedge/cli/console.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace betedge::cli {

Looks looks_of(const std::function<std::optional<std::string>(const char*)>& environment,
               bool out_is_terminal, bool err_is_terminal) {
  const auto is_set = [&environment](const char* name) {
    return !environment(name).value_or("").empty();
  };
  const auto terminal = environment("TERM").value_or("dumb");
  const bool can_move = terminal != "dumb" && !terminal.empty();
  const bool forced = is_set("CLICOLOR_FORCE") && *environment("CLICOLOR_FORCE") != "0";
  const bool refused = is_set("NO_COLOR") || (environment("CLICOLOR") == "0" && !forced);
  const auto colors = [&](bool is_terminal) {
    return !refused && (forced || (is_terminal && can_move));
  };

  std::string locale;  // the first that is set decides, as in setlocale(3)
  for (const auto* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (locale.empty()) locale = environment(name).value_or("");
  }
  for (auto& c : locale) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const bool unicode = locale.contains("utf-8") || locale.contains("utf8");
  return Looks{err_is_terminal && can_move, colors(out_is_terminal), colors(err_is_terminal),
               unicode, out_is_terminal};
}

std::string colored(std::string_view text, std::string_view color, bool on) {
  if (!on || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", color, text);
}

namespace {

class RealConsole final : public Console {
 public:
  RealConsole()
      : looks_(looks_of(
            [](const char* name) -> std::optional<std::string> {
              // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody here changes the environment
              const char* const value = std::getenv(name);
              return value == nullptr ? std::nullopt : std::optional<std::string>(value);
            },
            ::isatty(STDOUT_FILENO) == 1, ::isatty(STDERR_FILENO) == 1)) {}

  void out(std::string_view text) override { write(stdout, text); }
  void err(std::string_view text) override { write(stderr, text); }
  Looks looks() const override { return looks_; }

  std::size_t columns() const override {
    for (const int stream : {STDERR_FILENO, STDOUT_FILENO}) {
      winsize size{};
      if (::ioctl(stream, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    }
    return 80;
  }

 private:
  // Both streams end up in order where they are one file.
  static void write(std::FILE* stream, std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stream);
    std::fflush(stream);
  }
  Looks looks_;
};

}  // namespace

std::unique_ptr<Console> real_console() {
  return std::make_unique<RealConsole>();
}

}  // namespace betedge::cli
