#include "betedge/wire/request.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <span>
#include <variant>

#include "betedge/core/object_key.hpp"
#include "betedge/wire/body.hpp"
#include "betedge/wire/faults.hpp"
#include "betedge/wire/json_members.hpp"
#include "betedge/wire/lax_values.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::wire {
namespace {

using Type = PythonValue::Type;
using std::chrono::milliseconds;

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kOptionIntervalMs = 900'000;
constexpr std::int64_t kStockIntervalMs = 60'000;
// No market data is older; it bounds what a request can make us plan.
constexpr Date kFirstDate = std::chrono::sys_days{std::chrono::year{1900} / 1 / 1};

// Of unknown members, in warnings that are stored with the job.
constexpr std::size_t kMostNamed = 20;
constexpr std::size_t kLongestName = 64;  // bytes

constexpr std::string_view kDatePattern = R"(^\d{8}$)";
constexpr std::string_view kRootPattern = "^[A-Za-z0-9^][A-Za-z0-9.^-]{0,15}$";

constexpr std::string_view kMonthPattern = R"(^\d{6}$)";

constexpr std::array<std::string_view, 14> kMembers{
    "root",          "roots",    "start_date",    "end_date",   "schema",
    "data_schema",   "interval", "return_format", "start_time", "end_time",
    "force_refresh", "mode",     "labels",        "priority"};
constexpr std::array<std::string_view, 7> kEarningsMembers{
    "start_date", "end_date", "return_format", "force_refresh", "mode", "labels", "priority"};
constexpr std::array<std::string_view, 12> kSeriesMembers{
    "kind",     "root",          "start_date", "end_date", "schema", "data_schema",
    "interval", "return_format", "start_time", "end_time", "labels", "priority"};
constexpr std::array<std::string_view, 6> kEarningsSeriesMembers{
    "kind", "start_date", "end_date", "return_format", "labels", "priority"};

// FastAPI's rule (email.message): the part before ';', of one '/', decides; no header is JSON.
bool is_json(std::string_view content_type) {
  if (content_type.empty()) return true;
  std::string type(stripped(content_type.substr(0, content_type.find(';'))));
  std::ranges::transform(type, type.begin(), lower);
  if (std::ranges::count(type, '/') != 1 || !type.starts_with("application/")) return false;
  return type == "application/json" || type.ends_with("+json");
}

// Reads the members in the order in which the original's model has them, which is the order of its
// faults. A member that is absent leaves its default.
class Form {
 public:
  // `place`: where the members were sent, "body" or "query", as faults name it.
  explicit Form(const PythonValue& body, std::string_view place = "body")
      : place_(place), body_(body) {}

  std::expected<ParsedSubmission, Refusal> read(Kind kind, Existing existing) {
    return kind == Kind::earnings ? read_earnings(existing) : read_historical(kind, existing);
  }

  // `today` bounds a range that was sent without its end.
  std::expected<ParsedSeries, Refusal> read_series(Date today, std::chrono::years longest) {
    const auto kind = read_kind();
    if (!kind) return std::unexpected(faults_.refusal());
    ParsedSeries series{.request = {.kind = *kind,
                                    .root = {},
                                    .dates = {today, today},
                                    .schema = Schema::eod,
                                    .existing = Existing::keep}};
    auto& request = series.request;
    std::optional<Schema> schema;
    if (*kind == Kind::earnings) {
      read_range(series);
      read_earnings_format();
    } else {
      const auto root = read_root();
      read_range(series);
      schema = read_schema();
      request.interval =
          read_interval(*kind, schema == Schema::eod ? Interval::ignored : Interval::needed);
      const auto format = read_format();
      request.window = read_window();
      if (!root.empty()) request.root = root.front();
      if (schema) request.schema = *schema;
      if (format) request.format = *format;
      if (request.schema == Schema::eod) {
        request.interval = milliseconds{0};
        request.window = {};
      }
    }
    Submission submission;
    read_labels(submission);
    read_priority(submission);
    series.labels = std::move(submission.labels);
    series.priority = submission.priority;
    const auto last = series.last.value_or(today);
    if (series.first &&
        std::chrono::year_month_day{last} - longest > std::chrono::year_month_day{*series.first}) {
      const auto* end = body_.find("end_date");
      value_error("end_date",
                  fmt::format("at most {} years may be asked for at a time", longest.count()),
                  end != nullptr ? *end : PythonValue());
    }
    if (!faults_.empty()) return std::unexpected(faults_.refusal());
    series.warnings = *kind == Kind::earnings ? warnings(kEarningsSeriesMembers, std::nullopt)
                                              : warnings(kSeriesMembers, schema);
    return series;
  }

 private:
  enum class Interval : std::uint8_t { needed, ignored };

  std::expected<ParsedSubmission, Refusal> read_historical(Kind kind, Existing existing) {
    const auto roots = read_roots();
    const auto first = read_date("start_date", std::nullopt);
    const auto last = read_date("end_date", first);
    const auto schema = read_schema();
    const auto interval =
        read_interval(kind, schema == Schema::eod ? Interval::ignored : Interval::needed);
    const auto format = read_format();
    const Window window = read_window();
    const auto mode = read_mode(existing);
    Submission submission;
    read_labels(submission);
    read_priority(submission);
    if (!faults_.empty()) return std::unexpected(faults_.refusal());

    for (const auto& root : roots) {
      HistoricalRequest request{.kind = kind,
                                .root = root,
                                .dates = {*first, *last},
                                .schema = *schema,
                                .interval = interval,
                                .window = window,
                                .format = *format,
                                .existing = mode};
      if (request.schema == Schema::eod) {
        request.interval = milliseconds{0};
        request.window = {};
      }
      submission.requests.push_back(std::move(request));
    }
    return ParsedSubmission{std::move(submission), warnings(kMembers, *schema)};
  }

  std::expected<ParsedSubmission, Refusal> read_earnings(Existing existing) {
    const auto first = read_month("start_date", std::nullopt);
    const auto last = read_month("end_date", first);
    read_earnings_format();
    const auto mode = read_mode(existing);
    Submission submission;
    read_labels(submission);
    read_priority(submission);
    if (!faults_.empty()) return std::unexpected(faults_.refusal());
    submission.requests.push_back({.kind = Kind::earnings,
                                   .root = {},
                                   .dates = {*first, last_of_month(*last)},
                                   .schema = Schema::eod,
                                   .existing = mode});
    return ParsedSubmission{std::move(submission), warnings(kEarningsMembers, std::nullopt)};
  }

  std::optional<Kind> read_kind() {
    constexpr std::string_view kName = "kind";
    const PythonValue* value = required(kName);
    if (value == nullptr) return std::nullopt;
    const auto kind = value->type == Type::text ? parse_kind(value->text) : std::nullopt;
    if (!kind)
      fault("literal_error", kName, "Input should be 'option', 'stock' or 'earnings'", *value,
            R"({"expected":"'option', 'stock' or 'earnings'"})");
    return kind;
  }

  // The ends of the range, as far as they were sent.
  void read_range(ParsedSeries& series) {
    const bool has_months = series.request.kind == Kind::earnings;
    const auto read = [&](std::string_view name, std::optional<Date> not_before) {
      const auto* value = body_.find(name);
      if (value == nullptr || value->type == Type::null) return std::optional<Date>();
      return has_months ? read_month(name, not_before) : read_date(name, not_before);
    };
    series.first = read("start_date", std::nullopt);
    series.last = read("end_date", series.first);
    if (has_months && series.last) series.last = last_of_month(*series.last);
  }

  void fault(std::string_view type, std::string_view name, std::string_view message,
             const PythonValue& value, std::string_view context = {}) {
    faults_.add(type, {place_, name}, message, to_python_json(value), context);
  }
  void value_error(std::string_view name, std::string_view message, const PythonValue& value) {
    faults_.value_error({place_, name}, message, to_python_json(value));
  }
  void pattern_fault(std::string_view name, std::string_view pattern, const PythonValue& value) {
    fault("string_pattern_mismatch", name, fmt::format("String should match pattern '{}'", pattern),
          value, fmt::format(R"({{"pattern":{}}})", wire::quoted(pattern)));
  }

  // nullptr, with a fault, when the member is absent.
  const PythonValue* required(std::string_view name) {
    const PythonValue* value = body_.find(name);
    if (value == nullptr) fault("missing", name, "Field required", body_);
    return value;
  }

  bool is_text(std::string_view name, const PythonValue& value) {
    if (value.type == Type::text) return true;
    fault("string_type", name, "Input should be a valid string", value);
    return false;
  }

  // One symbol, or several; none after a fault.
  std::vector<Symbol> read_roots() {
    const PythonValue* several = body_.find("roots");
    if (several == nullptr) return read_root();
    if (body_.find("root") != nullptr)
      value_error("roots", "give either root or roots, not both", *several);
    if (several->type != Type::array) {
      fault("list_type", "roots", "Input should be a valid list", *several);
      return {};
    }
    if (several->items.empty()) {
      fault("too_short", "roots", "List should have at least 1 item after validation, not 0",
            *several, R"({"field_type":"List","min_length":1,"actual_length":0})");
      return {};
    }
    if (several->items.size() > kMostRoots) {
      // The list itself is not given back: it may be a megabyte.
      faults_.add("too_long", {place_, "roots"},
                  fmt::format("List should have at most {} items after validation, not {}",
                              kMostRoots, several->items.size()),
                  "null",
                  fmt::format(R"({{"field_type":"List","max_length":{},"actual_length":{}}})",
                              kMostRoots, several->items.size()));
      return {};
    }
    std::vector<Symbol> roots;
    std::set<Symbol> seen;
    for (std::size_t i = 0; i < several->items.size(); ++i) {
      const PythonValue& item = several->items[i];
      if (item.type != Type::text) {
        faults_.add("string_type", {place_, "roots"}, "Input should be a valid string",
                    to_python_json(item), {}, i);
        continue;
      }
      auto root = Symbol::parse(item.text);
      if (!root) {
        faults_.add("string_pattern_mismatch", {place_, "roots"},
                    fmt::format("String should match pattern '{}'", kRootPattern),
                    to_python_json(item),
                    fmt::format(R"({{"pattern":{}}})", wire::quoted(kRootPattern)), i);
        continue;
      }
      if (seen.insert(*root).second)
        roots.push_back(*std::move(root));
      else
        doubled_roots_.push_back(root->text());
    }
    return roots;
  }

  std::vector<Symbol> read_root() {
    const PythonValue* value = required("root");
    if (value == nullptr || !is_text("root", *value)) return {};
    auto root = Symbol::parse(value->text);
    if (!root) {
      pattern_fault("root", kRootPattern, *value);
      return {};
    }
    return {*std::move(root)};
  }

  // The month's first day. `not_before`: start_date, when this is end_date.
  std::optional<Date> read_month(std::string_view name, std::optional<Date> not_before) {
    const PythonValue* value = required(name);
    if (value == nullptr || !is_text(name, *value)) return std::nullopt;
    if (value->text.size() != 6 || !std::ranges::all_of(value->text, is_digit)) {
      pattern_fault(name, kMonthPattern, *value);
      return std::nullopt;
    }
    const auto month = parse_yyyymmdd(value->text + "01");
    if (!month) {
      value_error(name, fmt::format("Invalid date format: {}. Expected YYYYMM format", value->text),
                  *value);
      return std::nullopt;
    }
    if (not_before && *month < *not_before) {
      value_error(name, "end_date must be >= start_date", *value);
      return std::nullopt;
    }
    if (*month < kFirstDate) {
      value_error(
          name,
          fmt::format("{} must be {} or later", name, to_yyyymmdd_text(kFirstDate).substr(0, 6)),
          *value);
      return std::nullopt;
    }
    return month;
  }

  void read_earnings_format() {
    constexpr std::string_view kName = "return_format";
    const PythonValue* value = body_.find(kName);
    if (value == nullptr || !is_text(kName, *value)) return;
    std::string format = value->text;
    std::ranges::transform(format, format.begin(), lower);
    if (format != to_text(FileFormat::parquet))
      value_error(kName, "Only 'parquet' format is currently supported", *value);
  }

  // `mode`, else force_refresh, else what the server does by itself.
  Existing read_mode(Existing otherwise) {
    const auto forced = read_force_refresh();
    const PythonValue* value = body_.find("mode");
    if (value == nullptr || value->type == Type::null) {
      if (!forced) return otherwise;
      return *forced ? Existing::replace : Existing::keep;
    }
    const auto mode = value->type == Type::text ? parse_mode(value->text) : std::nullopt;
    if (!mode) {
      fault("literal_error", "mode", "Input should be 'skip', 'refresh' or 'force'", *value,
            R"({"expected":"'skip', 'refresh' or 'force'"})");
      return otherwise;
    }
    if (forced && *forced != (*mode == Existing::replace))
      value_error("mode",
                  fmt::format("mode '{}' contradicts force_refresh {}; leave one of them out",
                              to_text(*mode), *forced),
                  *value);
    return *mode;
  }

  void read_labels(Submission& submission) {
    const PythonValue* value = body_.find("labels");
    if (value == nullptr || value->type == Type::null) return;
    if (value->type != Type::object) {
      fault("dict_type", "labels", "Input should be a valid dictionary", *value);
      return;
    }
    if (value->members.size() > kMostLabels) {
      value_error(
          "labels",
          fmt::format("there may be at most {} labels, not {}", kMostLabels, value->members.size()),
          *value);
      return;
    }
    for (const PythonMember& label : value->members) {
      if (label.name.empty() || label.name.size() > kLongestLabelName) {
        value_error("labels",
                    fmt::format("a label's name must have 1 to {} bytes", kLongestLabelName),
                    *value);
        return;
      }
      if (label.value.type != Type::text || label.value.text.size() > kLongestLabelValue) {
        value_error("labels",
                    fmt::format("the label '{}' must be a text of at most {} bytes",
                                shown(label.name, kLongestLabelName), kLongestLabelValue),
                    *value);
        return;
      }
      submission.labels[label.name] = label.value.text;
    }
  }

  void read_priority(Submission& submission) {
    constexpr std::string_view kName = "priority";
    const PythonValue* value = body_.find(kName);
    if (value == nullptr || value->type == Type::null) return;
    const Integer read = integer_from(*value);
    if (const auto* no_integer = std::get_if<NoInteger>(&read)) {
      fault(no_integer->type, kName, no_integer->message, *value);
      return;
    }
    const std::int64_t number = std::get<std::int64_t>(read);
    if (number < -kHighestPriority)
      fault("greater_than_equal", kName,
            fmt::format("Input should be greater than or equal to {}", -kHighestPriority), *value,
            fmt::format(R"({{"ge":{}}})", -kHighestPriority));
    else if (number > kHighestPriority)
      fault("less_than_equal", kName,
            fmt::format("Input should be less than or equal to {}", kHighestPriority), *value,
            fmt::format(R"({{"le":{}}})", kHighestPriority));
    else
      submission.priority = static_cast<int>(number);
  }

  // `not_before`: start_date, when this is end_date and start_date has no fault.
  std::optional<Date> read_date(std::string_view name, std::optional<Date> not_before) {
    const PythonValue* value = required(name);
    if (value == nullptr || !is_text(name, *value)) return std::nullopt;
    if (value->text.size() != 8 || !std::ranges::all_of(value->text, is_digit)) {
      pattern_fault(name, kDatePattern, *value);
      return std::nullopt;
    }
    const auto date = parse_yyyymmdd(value->text);
    if (!date) {
      value_error(name,
                  fmt::format("Invalid date format: {}. Expected YYYYMMDD format", value->text),
                  *value);
      return std::nullopt;
    }
    if (not_before && *date < *not_before) {
      value_error(name, "end_date must be >= start_date", *value);
      return std::nullopt;
    }
    if (*date < kFirstDate) {
      value_error(name, fmt::format("{} must be {} or later", name, to_yyyymmdd_text(kFirstDate)),
                  *value);
      return std::nullopt;
    }
    return date;
  }

  std::optional<Schema> read_schema() {
    const std::string_view name = body_.find("schema") != nullptr ? "schema" : "data_schema";
    const PythonValue* value = body_.find(name);
    if (value == nullptr) return Schema::quote;
    if (!is_text(name, *value)) return std::nullopt;
    const auto schema = parse_schema(value->text);
    if (!schema)
      value_error(name,
                  fmt::format("{} must be 'quote', 'ohlc', or 'eod', got '{}'", name, value->text),
                  *value);
    return schema;
  }

  // The number when there is one without a fault. A bound that is broken is told with the value as
  // it was sent.
  std::optional<std::int64_t> read_integer(std::string_view name, const PythonValue& value,
                                           std::optional<std::int64_t> at_most) {
    const Integer read = integer_from(value);
    if (const auto* no_integer = std::get_if<NoInteger>(&read)) {
      fault(no_integer->type, name, no_integer->message, value);
      return std::nullopt;
    }
    const std::int64_t number = std::get<std::int64_t>(read);
    if (number < 0) {
      fault("greater_than_equal", name, "Input should be greater than or equal to 0", value,
            R"({"ge":0})");
      return std::nullopt;
    }
    if (at_most && number > *at_most) {
      fault("less_than_equal", name,
            fmt::format("Input should be less than or equal to {}", *at_most), value,
            fmt::format(R"({{"le":{}}})", *at_most));
      return std::nullopt;
    }
    return number;
  }

  milliseconds read_interval(Kind kind, Interval use) {
    const milliseconds usual{kind == Kind::option ? kOptionIntervalMs : kStockIntervalMs};
    const PythonValue* value = body_.find("interval");
    if (value == nullptr) return usual;
    const bool is_needed = use == Interval::needed;
    const auto number =
        read_integer("interval", *value, is_needed ? std::optional(kDayMs) : std::nullopt);
    if (!number) return usual;
    if (is_needed && *number < kShortestInterval.count())
      // Told by a model of the original's that got the number already converted: `true` is 1 here.
      faults_.value_error(
          {place_, "interval"},
          fmt::format("Intervals under 60000ms (1 minute) are not officially supported, got {}",
                      *number),
          std::to_string(*number));
    return milliseconds{*number};
  }

  std::optional<FileFormat> read_format() {
    constexpr std::string_view kName = "return_format";
    const PythonValue* value = body_.find(kName);
    if (value == nullptr) return FileFormat::parquet;
    if (!is_text(kName, *value)) return std::nullopt;
    const auto format = parse_file_format(value->text);
    if (!format)
      value_error(kName,
                  fmt::format("return_format must be 'parquet' or 'ipc', got '{}'", value->text),
                  *value);
    return format;
  }

  std::optional<milliseconds> read_time(std::string_view name) {
    const PythonValue* value = body_.find(name);
    if (value == nullptr || value->type == Type::null) return std::nullopt;
    const auto number = read_integer(name, *value, kDayMs);
    if (!number) return std::nullopt;
    return milliseconds{*number};
  }

  Window read_window() {
    const auto start = read_time("start_time");
    const auto end = read_time("end_time");
    if (start && end && *end < *start)
      value_error("end_time", "end_time must be >= start_time", *body_.find("end_time"));
    return {start, end};
  }

  // nullopt when it was not sent, or after a fault.
  std::optional<bool> read_force_refresh() {
    constexpr std::string_view kName = "force_refresh";
    const PythonValue* value = body_.find(kName);
    if (value == nullptr) return std::nullopt;
    const auto read = boolean_from(*value);
    if (const auto* type = std::get_if<std::string_view>(&read)) {
      fault(*type, kName,
            *type == "bool_parsing" ? "Input should be a valid boolean, unable to interpret input"
                                    : "Input should be a valid boolean",
            *value);
      return std::nullopt;
    }
    return std::get<bool>(read);
  }

  // `schema`: nullopt for earnings, which have none.
  std::vector<std::string> warnings(std::span<const std::string_view> members,
                                    std::optional<Schema> schema) const {
    std::vector<std::string> list;
    std::size_t unnamed = 0;
    for (const PythonMember& sent : body_.members) {
      if (std::ranges::find(members, sent.name) != members.end()) continue;
      if (list.size() == kMostNamed)
        ++unnamed;
      else
        list.push_back(fmt::format("unknown member '{}' ignored", shown(sent.name, kLongestName)));
    }
    if (unnamed > 0) list.push_back(fmt::format("{} more unknown members ignored", unnamed));
    if (!schema) return list;
    if (body_.find("schema") != nullptr && body_.find("data_schema") != nullptr)
      list.emplace_back("member 'data_schema' ignored, since 'schema' is given");
    if (schema == Schema::eod)
      for (const std::string_view name : {"start_time", "end_time"})
        if (const auto* value = body_.find(name); value != nullptr && value->type != Type::null)
          list.push_back(fmt::format("member '{}' ignored, since schema 'eod' has no times", name));
    if (!doubled_roots_.empty())
      list.push_back(fmt::format("named more than once, and taken once: {}",
                                 shown(fmt::format("{}", fmt::join(doubled_roots_, " ")), 500)));
    return list;
  }

  std::vector<std::string> doubled_roots_;
  std::string_view place_;
  const PythonValue& body_;
  Faults faults_;
};

// Whether a key may begin so: with a rest it is one.
bool is_prefix(std::string_view text) {
  return text.empty() || ObjectKey::parse(std::string(text) + "x").has_value();
}
constexpr std::string_view kNoPrefix = "no object key begins so";

Refusal cannot_be_read() {
  return {400, detail_json("There was an error parsing the body"), ProblemCode::body_unreadable};
}

Refusal body_fault(std::string_view type, std::string_view message, const PythonValue& value) {
  Faults faults;
  faults.add(type, {"body"}, message, to_python_json(value));
  return faults.refusal();
}

Refusal not_json(const PythonJsonFault& fault) {
  return {422, fmt::format(R"({{"detail":[{{"type":"json_invalid","loc":["body",{}],)"
                           R"("msg":"JSON decode error","input":{{}},"ctx":{{"error":{}}}}}]}})",
                           fault.position, wire::quoted(fault.message))};
}

}  // namespace

std::expected<PythonValue, Refusal> read_object(std::string_view content_type,
                                                std::string_view body) {
  PythonValue value;
  if (!body.empty() && is_json(content_type)) {
    auto parsed = parse_python_json(body);
    if (!parsed) {
      switch (parsed.error().type) {
        case PythonJsonFault::Type::syntax: return std::unexpected(not_json(parsed.error()));
        case PythonJsonFault::Type::unreadable: return std::unexpected(cannot_be_read());
      }
    }
    value = *std::move(parsed);
  } else if (!body.empty()) {
    if (!is_utf8(body)) return std::unexpected(cannot_be_read());
    value.type = Type::text;
    value.text = body;
  }
  if (value.type == Type::null)
    return std::unexpected(body_fault("missing", "Field required", value));
  if (value.type != Type::object)
    return std::unexpected(
        body_fault("model_attributes_type",
                   "Input should be a valid dictionary or object to extract fields from", value));
  return value;
}

std::expected<ParsedSubmission, Refusal> parse_submission(Kind kind, std::string_view content_type,
                                                          std::string_view body,
                                                          Existing existing) {
  const auto value = read_object(content_type, body);
  if (!value) return std::unexpected(value.error());
  return Form(*value).read(kind, existing);
}

std::expected<ParsedSeries, Refusal> parse_series(
    std::span<const std::pair<std::string, std::string>> query, Date today,
    std::chrono::years longest) {
  PythonValue object{.type = Type::object, .text = {}, .items = {}, .members = {}};
  for (const auto& [name, text] : query) {
    // Only a body has them.
    if (name == "labels" || name == "priority") continue;
    PythonValue value{.type = Type::text, .text = text, .items = {}, .members = {}};
    const auto known = std::ranges::find(object.members, name, &PythonMember::name);
    if (known != object.members.end())
      known->value = std::move(value);
    else
      object.members.push_back({name, std::move(value)});
  }
  return Form(object, "query").read_series(today, longest);
}

std::expected<ParsedSeries, Refusal> parse_fill(std::string_view content_type,
                                                std::string_view body, Date today,
                                                std::chrono::years longest) {
  const auto value = read_object(content_type, body);
  if (!value) return std::unexpected(value.error());
  return Form(*value).read_series(today, longest);
}

std::expected<ParsedVerify, Refusal> parse_verify(std::string_view content_type,
                                                  std::string_view body) {
  ParsedVerify parsed;
  if (body.empty()) return parsed;
  const auto object = read_object(content_type, body);
  if (!object) return std::unexpected(object.error());
  Faults faults;
  if (const auto* prefix = object->find("prefix");
      prefix != nullptr && prefix->type != Type::null) {
    if (prefix->type != Type::text)
      faults.add("string_type", {"body", "prefix"}, "Input should be a valid string",
                 to_python_json(*prefix));
    else if (!is_prefix(prefix->text))
      faults.value_error({"body", "prefix"}, kNoPrefix, to_python_json(*prefix));
    else
      parsed.prefix = prefix->text;
  }
  if (const auto* repair = object->find("repair");
      repair != nullptr && repair->type != Type::null) {
    const auto read = boolean_from(*repair);
    if (const auto* type = std::get_if<std::string_view>(&read))
      faults.add(*type, {"body", "repair"}, "Input should be a valid boolean",
                 to_python_json(*repair));
    else
      parsed.repair = std::get<bool>(read);
  }
  if (!faults.empty()) return std::unexpected(faults.refusal());
  return parsed;
}

std::expected<std::string, Refusal> parse_prefix(std::optional<std::string_view> text) {
  if (!text || is_prefix(*text)) return std::string(text.value_or(""));
  Faults faults;
  faults.value_error({"query", "prefix"}, kNoPrefix, wire::quoted(*text));
  return std::unexpected(faults.refusal());
}

}  // namespace betedge::wire
