#include "betedge/app/logging.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace betedge::app {
namespace {

bool is_plain(char c) {
  return c > ' ' && c != '"' && c != '=' && c != '\\' && c != '\x7f';
}

void append_value(std::string& line, std::string_view value) {
  if (!value.empty() && std::ranges::all_of(value, [](char c) { return is_plain(c) || c < 0; })) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if ((c >= 0 && c < ' ') || c == '\x7f') {
      line += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      line += c;
    }
  }
  line += '"';
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  std::unreachable();
}

class SpdlogLog final : public LevelLog {
 public:
  explicit SpdlogLog(Level level)
      : logger_("betedge", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "time=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v", spdlog::pattern_time_type::utc));
    logger_.set_level(to_spdlog(level));
    // The server's word on what happened last, also when it is killed.
    logger_.flush_on(spdlog::level::debug);
  }

  void set_level(Level level) override { logger_.set_level(to_spdlog(level)); }

  void event(Level level, std::string_view name, std::initializer_list<Field> fields) override {
    const auto at = to_spdlog(level);
    if (logger_.should_log(at)) logger_.log(at, format_event(name, fields));
  }

  bool takes(Level level) const override { return logger_.should_log(to_spdlog(level)); }

 private:
  spdlog::logger logger_;
};

}  // namespace

std::string format_event(std::string_view name, std::initializer_list<Field> fields) {
  std::string line = "event=";
  append_value(line, name);
  for (const auto& field : fields) {
    line += ' ';
    line += field.name;
    line += '=';
    append_value(line, field.value);
  }
  return line;
}

std::unique_ptr<LevelLog> make_log(Level level) {
  return std::make_unique<SpdlogLog>(level);
}

}  // namespace betedge::app
