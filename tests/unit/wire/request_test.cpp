#include "betedge/wire/request.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace betedge::wire {
namespace {

using namespace std::chrono;

std::expected<ParsedSubmission, Refusal> submitted(std::string_view body,
                                                   Kind kind = Kind::option) {
  return parse_submission(kind, "application/json", body, Existing::keep);
}

// A valid body with one member more, or in place of another.
std::string body_with(std::string_view name, std::string_view value) {
  auto body = nlohmann::ordered_json::parse(
      R"({"root":"TEST","start_date":"20230102","end_date":"20230104"})");
  body.erase(std::string(name));
  std::string text = body.dump();
  text.pop_back();
  return fmt::format(R"({},"{}":{}}})", text, name, value);
}

TEST(SubmitTest, LeavesDefaultsByKind) {
  const auto option =
      submitted(R"({"root":"brk.b","start_date":"20230102","end_date":"20230103"})");
  ASSERT_TRUE(option.has_value()) << option.error().body;
  EXPECT_EQ(option->submission.requests.front(),
            (HistoricalRequest{.kind = Kind::option,
                               .root = Symbol::parse("BRK.B").value(),
                               .dates = {sys_days{2023y / 1 / 2}, sys_days{2023y / 1 / 3}},
                               .schema = Schema::quote,
                               .interval = 15min}));
  EXPECT_TRUE(option->warnings.empty());
  const auto stock =
      submitted(R"({"root":"A","start_date":"20230102","end_date":"20230103"})", Kind::stock);
  EXPECT_EQ(stock->submission.requests.front().interval, 1min);
}

TEST(SubmitTest, ReadsEveryMember) {
  const auto parsed = parse_submission(
      Kind::stock, "", R"({"root":"A","start_date":"19991231","end_date":"20000103","schema":"ohlc",
      "interval":"90000","return_format":"ipc","start_time":34200000,"end_time":"57600000",
      "force_refresh":true})",
      Existing::keep);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().body;
  EXPECT_EQ(parsed->submission.requests.front(),
            (HistoricalRequest{.kind = Kind::stock,
                               .root = Symbol::parse("A").value(),
                               .dates = {sys_days{1999y / 12 / 31}, sys_days{2000y / 1 / 3}},
                               .schema = Schema::ohlc,
                               .interval = 90s,
                               .window = {9h + 30min, 16h},
                               .format = FileFormat::ipc,
                               .existing = Existing::replace}));
}

TEST(SubmitTest, ForceRefreshIsTheServersUnlessSaid) {
  const std::string body = R"({"root":"A","start_date":"20230102","end_date":"20230103"})";
  EXPECT_EQ(parse_submission(Kind::stock, "", body, Existing::replace)
                ->submission.requests.front()
                .existing,
            Existing::replace);
  EXPECT_EQ(
      parse_submission(Kind::stock, "", body_with("force_refresh", "false"), Existing::replace)
          ->submission.requests.front()
          .existing,
      Existing::keep);
}

TEST(SubmitTest, IntegersAreReadAsTheOriginalDid) {
  for (const auto* text : {"900000", "900000.0", "9e5", "\"900000\"", "\" 900000\\n\"",
                           "\"+900_000.00\"", "\"000900000\""})
    EXPECT_EQ(submitted(body_with("interval", text))->submission.requests.front().interval, 15min)
        << text;
}

TEST(SubmitTest, BooleansAreReadAsTheOriginalDid) {
  for (const auto* text :
       {"true", "1", "1.0", "\"1\"", "\"on\"", "\"T\"", "\"True\"", "\"y\"", "\"YES\""})
    EXPECT_EQ(submitted(body_with("force_refresh", text))->submission.requests.front().existing,
              Existing::replace)
        << text;
  for (const auto* text :
       {"false", "0", "-0.0", "\"0\"", "\"off\"", "\"f\"", "\"FALSE\"", "\"n\"", "\"No\""})
    EXPECT_EQ(submitted(body_with("force_refresh", text))->submission.requests.front().existing,
              Existing::keep)
        << text;
}

TEST(SubmitTest, TheLaterNameOfSchemaIsReadToo) {
  EXPECT_EQ(submitted(body_with("data_schema", R"("eod")"))->submission.requests.front().schema,
            Schema::eod);
  const auto both = submitted(R"({"root":"A","start_date":"20230102","end_date":"20230103",
                                  "data_schema":"eod","schema":"ohlc"})");
  EXPECT_EQ(both->submission.requests.front().schema, Schema::ohlc);
  EXPECT_EQ(both->warnings,
            (std::vector<std::string>{"member 'data_schema' ignored, since 'schema' is given"}));
}

TEST(SubmitTest, EodHasNeitherIntervalNorTimes) {
  const auto parsed = submitted(R"({"root":"A","start_date":"20230102","end_date":"20230103",
      "schema":"eod","interval":1,"start_time":1,"end_time":null})");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().body;
  EXPECT_EQ(parsed->submission.requests.front().interval, 0ms);
  EXPECT_TRUE(parsed->submission.requests.front().window.is_whole_day());
  EXPECT_EQ(
      parsed->warnings,
      (std::vector<std::string>{"member 'start_time' ignored, since schema 'eod' has no times"}));
}

TEST(SubmitTest, UnknownMembersAreNamedInTheirOrder) {
  const auto parsed = submitted(R"({"colour":"red","root":"A","start_date":"20230102",
                                    "end_date":"20230103","shape":["B"],"colour":2})");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().body;
  EXPECT_EQ(parsed->warnings, (std::vector<std::string>{"unknown member 'colour' ignored",
                                                        "unknown member 'shape' ignored"}));
}

// --- What a submission may say beside the original's members
// -----------------------------------------------------------------------------------

std::vector<std::string> roots_of(const ParsedSubmission& parsed) {
  std::vector<std::string> roots;
  for (const auto& request : parsed.submission.requests) roots.push_back(request.root.text());
  return roots;
}

TEST(SubmitTest, SeveralSymbolsAreTakenOnceEachInTheirOrder) {
  const auto parsed = submitted(
      R"({"roots":["msft","AAPL","MSFT"],"start_date":"20230102","end_date":"20230103"})");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().body;
  EXPECT_EQ(roots_of(*parsed), (std::vector<std::string>{"MSFT", "AAPL"}));
  EXPECT_EQ(parsed->warnings,
            (std::vector<std::string>{"named more than once, and taken once: MSFT"}));
}

TEST(SubmitTest, ReadsModeLabelsAndPriority) {
  const auto parsed = submitted(
      R"({"root":"A","start_date":"20230102","end_date":"20230103","mode":"refresh",
          "labels":{"desk":"vol","who":"ann"},"priority":-7})");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().body;
  EXPECT_EQ(parsed->submission.requests.front().existing, Existing::refresh);
  EXPECT_EQ(parsed->submission.labels,
            (std::map<std::string, std::string>{{"desk", "vol"}, {"who", "ann"}}));
  EXPECT_EQ(parsed->submission.priority, -7);
  EXPECT_TRUE(parsed->warnings.empty());
}

TEST(SubmitTest, TheModeIsStrongerThanTheServersOwnAndAgreesWithForceRefresh) {
  const auto existing = [](const std::string& members) {
    const auto parsed = parse_submission(
        Kind::stock, "",
        R"({"root":"A","start_date":"20230102","end_date":"20230103",)" + members + "}",
        Existing::replace);
    return parsed ? std::optional(parsed->submission.requests.front().existing) : std::nullopt;
  };
  EXPECT_EQ(existing(R"("mode":null)"), Existing::replace);
  EXPECT_EQ(existing(R"("mode":"skip")"), Existing::keep);
  EXPECT_EQ(existing(R"("mode":"force","force_refresh":true)"), Existing::replace);
  EXPECT_EQ(existing(R"("mode":"skip","force_refresh":true)"), std::nullopt);
  EXPECT_EQ(existing(R"("mode":"refresh","force_refresh":false)"), Existing::refresh);
}

struct AddedFault {
  std::string members;
  std::string type;
  std::string place;
};

TEST(SubmitTest, EveryRuleOfTheAddedMembersIsToldAtItsPlace) {
  std::string many;
  for (int i = 0; i < 17; ++i) many += fmt::format(R"({}"l{}":"v")", i == 0 ? "" : ",", i);
  const AddedFault faults[] = {
      {R"("roots":"A")", "list_type", R"(["body","roots"])"},
      {R"("roots":[])", "too_short", R"(["body","roots"])"},
      {R"("roots":["A",5])", "string_type", R"(["body","roots",1])"},
      {R"("roots":["A","B","/etc"])", "string_pattern_mismatch", R"(["body","roots",2])"},
      {R"("root":"A","roots":["B"])", "value_error", R"(["body","roots"])"},
      {R"("root":"A","mode":"FORCE")", "literal_error", R"(["body","mode"])"},
      {R"("root":"A","mode":1)", "literal_error", R"(["body","mode"])"},
      {R"("root":"A","labels":[])", "dict_type", R"(["body","labels"])"},
      {R"("root":"A","labels":{"":"v"})", "value_error", R"(["body","labels"])"},
      {R"("root":"A","labels":{"l":5})", "value_error", R"(["body","labels"])"},
      {R"("root":"A","labels":{)" + many + "}", "value_error", R"(["body","labels"])"},
      {R"("root":"A","labels":{"l":")" + std::string(513, 'v') + R"("})", "value_error",
       R"(["body","labels"])"},
      {R"("root":"A","priority":101)", "less_than_equal", R"(["body","priority"])"},
      {R"("root":"A","priority":-101)", "greater_than_equal", R"(["body","priority"])"},
      {R"("root":"A","priority":"high")", "int_parsing", R"(["body","priority"])"},
  };
  for (const auto& [members, type, place] : faults) {
    const auto parsed =
        submitted("{" + members + R"(,"start_date":"20230102","end_date":"20230103"})");
    ASSERT_FALSE(parsed.has_value()) << members;
    const auto detail = nlohmann::json::parse(parsed.error().body)["detail"];
    ASSERT_EQ(detail.size(), 1U) << parsed.error().body;
    EXPECT_EQ(detail[0]["type"], type) << members;
    EXPECT_EQ(detail[0]["loc"], nlohmann::json::parse(place)) << members;
  }
}

TEST(SubmitTest, EarningsAreOfWholeMonths) {
  const auto parsed = submitted(
      R"({"start_date":"202312","end_date":"202402","return_format":"PARQUET","root":"A",
          "mode":"force"})",
      Kind::earnings);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().body;
  const auto& request = parsed->submission.requests.front();
  EXPECT_EQ(request.dates, (DateRange{sys_days{2023y / 12 / 1}, sys_days{2024y / 2 / 29}}));
  EXPECT_EQ(request.root, Symbol());
  EXPECT_EQ(request.existing, Existing::replace);
  EXPECT_EQ(parsed->warnings, (std::vector<std::string>{"unknown member 'root' ignored"}));
  EXPECT_FALSE(
      submitted(R"({"start_date":"189912","end_date":"190001"})", Kind::earnings).has_value());
}

TEST(SubmitTest, ManyUnknownMembersAreCountedAndLongNamesCut) {
  std::string body = R"({"root":"A","start_date":"20230102","end_date":"20230103")";
  for (int i = 0; i < 30; ++i) body += fmt::format(R"(,"{}{}":1)", std::string(100, 'x'), i + 10);
  const auto parsed = submitted(body + "}");
  ASSERT_EQ(parsed->warnings.size(), 21U);
  EXPECT_EQ(parsed->warnings.front(), "unknown member '" + std::string(64, 'x') + "…' ignored");
  EXPECT_EQ(parsed->warnings.back(), "10 more unknown members ignored");
}

TEST(SubmitTest, TheLastOfADuplicateMemberWins) {
  EXPECT_EQ(submitted(R"({"root":"A","root":"B","start_date":"20230102","end_date":"20230103"})")
                ->submission.requests.front()
                .root.text(),
            "B");
}

struct RuleCase {
  std::string name;
  std::string value;
  std::string fault;  // behind its loc, up to the closing brace
};

class BrokenRuleTest : public testing::TestWithParam<RuleCase> {};

TEST_P(BrokenRuleTest, IsToldAlone) {
  const auto& [name, value, fault] = GetParam();
  const auto type_end = fault.find('|');
  const auto expected = fmt::format(R"({{"detail":[{{"type":"{}","loc":["body","{}"],{}}}]}})",
                                    fault.substr(0, type_end), name, fault.substr(type_end + 1));
  for (const auto kind : {Kind::option, Kind::stock}) {
    const auto parsed = submitted(body_with(name, value), kind);
    ASSERT_FALSE(parsed.has_value()) << value;
    EXPECT_EQ(parsed.error().status, 422);
    EXPECT_EQ(parsed.error().body, expected);
  }
}

const std::string kNoText = R"(string_type|"msg":"Input should be a valid string","input":)";
const std::string kNoDate =
    R"(string_pattern_mismatch|"msg":"String should match pattern '^\\d{8}$'","input":)";
const std::string kNoRoot =
    R"(string_pattern_mismatch|"msg":"String should match pattern '^[A-Za-z0-9^][A-Za-z0-9.^-]{0,15}$'","input":)";
const std::string kNoInteger =
    R"(int_parsing|"msg":"Input should be a valid integer, unable to parse string as an integer","input":)";
const std::string kNegative =
    R"(greater_than_equal|"msg":"Input should be greater than or equal to 0","input":)";
const std::string kTooLarge =
    R"(less_than_equal|"msg":"Input should be less than or equal to 86400000","input":)";
const std::string kTooLong =
    R"(int_parsing_size|"msg":"Unable to parse input string as an integer, exceeded maximum size","input":)";
const std::string kNoBoolean =
    R"(bool_parsing|"msg":"Input should be a valid boolean, unable to interpret input","input":)";
const std::string kError = R"(,"ctx":{"error":{}})";
const std::string kDateContext = R"(,"ctx":{"pattern":"^\\d{8}$"})";
const std::string kRootContext = R"(,"ctx":{"pattern":"^[A-Za-z0-9^][A-Za-z0-9.^-]{0,15}$"})";

INSTANTIATE_TEST_SUITE_P(
    Members, BrokenRuleTest,
    testing::Values(
        RuleCase{"root", "{\"x\": 1.50}", kNoText + R"({"x":1.5})"},
        RuleCase{"root", R"("../etc")", kNoRoot + R"("../etc")" + kRootContext},
        RuleCase{"root", R"("")", kNoRoot + R"("")" + kRootContext},
        RuleCase{"root", R"("É")", kNoRoot + R"("É")" + kRootContext},
        RuleCase{"start_date", "20230102", kNoText + "20230102"},
        RuleCase{"start_date", R"("2023-1-02")", kNoDate + R"("2023-1-02")" + kDateContext},
        RuleCase{"start_date", R"("٢٠٢٣٠١٠٢")", kNoDate + R"("٢٠٢٣٠١٠٢")" + kDateContext},
        RuleCase{"end_date", R"("20230104\n")", kNoDate + R"("20230104\n")" + kDateContext},
        RuleCase{
            "end_date", R"("20230229")",
            R"(value_error|"msg":"Value error, Invalid date format: 20230229. Expected YYYYMMDD format","input":"20230229")" +
                kError},
        RuleCase{
            "start_date", R"("00000101")",
            R"(value_error|"msg":"Value error, Invalid date format: 00000101. Expected YYYYMMDD format","input":"00000101")" +
                kError},
        RuleCase{
            "start_date", R"("18991231")",
            R"(value_error|"msg":"Value error, start_date must be 19000101 or later","input":"18991231")" +
                kError},
        RuleCase{
            "end_date", R"("20230101")",
            R"(value_error|"msg":"Value error, end_date must be >= start_date","input":"20230101")" +
                kError},
        RuleCase{"schema", "false", kNoText + "false"},
        RuleCase{
            "schema", R"("tr\"ä\u0001")",
            R"(value_error|"msg":"Value error, schema must be 'quote', 'ohlc', or 'eod', got 'tr\"ä\u0001'","input":"tr\"ä\u0001")" +
                kError},
        RuleCase{
            "data_schema", R"("tick")",
            R"(value_error|"msg":"Value error, data_schema must be 'quote', 'ohlc', or 'eod', got 'tick'","input":"tick")" +
                kError},
        RuleCase{"interval", "null",
                 R"(int_type|"msg":"Input should be a valid integer","input":null)"},
        RuleCase{"interval", "[1, 2]",
                 R"(int_type|"msg":"Input should be a valid integer","input":[1,2])"},
        RuleCase{
            "interval", "0.5",
            R"(int_from_float|"msg":"Input should be a valid integer, got a number with a fractional part","input":0.5)"},
        RuleCase{"interval", "NaN",
                 R"(finite_number|"msg":"Input should be a finite number","input":null)"},
        RuleCase{"interval", "1e300", kTooLong + "1e+300"},
        RuleCase{"interval", R"("1h")", kNoInteger + R"("1h")"},
        RuleCase{"interval", R"("")", kNoInteger + R"("")"},
        RuleCase{"interval", R"("_1")", kNoInteger + R"("_1")"},
        RuleCase{"interval", R"("1__0")", kNoInteger + R"("1__0")"},
        RuleCase{"interval", R"("1.")", kNoInteger + R"("1.")"},
        RuleCase{"interval", R"("+-1")", kNoInteger + R"("+-1")"},
        RuleCase{"interval", R"("-7")", kNegative + R"("-7","ctx":{"ge":0})"},
        RuleCase{"interval", "-99999999999999999999",
                 kNegative + R"(-99999999999999999999,"ctx":{"ge":0})"},
        RuleCase{
            "interval", "59999",
            R"(value_error|"msg":"Value error, Intervals under 60000ms (1 minute) are not officially supported, got 59999","input":59999)" +
                kError},
        RuleCase{
            "interval", "false",
            R"(value_error|"msg":"Value error, Intervals under 60000ms (1 minute) are not officially supported, got 0","input":0)" +
                kError},
        RuleCase{"interval", "86400001", kTooLarge + R"(86400001,"ctx":{"le":86400000})"},
        RuleCase{"interval", "99999999999999999999",
                 kTooLarge + R"(99999999999999999999,"ctx":{"le":86400000})"},
        RuleCase{
            "return_format", R"("csv")",
            R"(value_error|"msg":"Value error, return_format must be 'parquet' or 'ipc', got 'csv'","input":"csv")" +
                kError},
        RuleCase{"return_format", "null", kNoText + "null"},
        RuleCase{"start_time", "-1", kNegative + R"(-1,"ctx":{"ge":0})"},
        RuleCase{"start_time", "86400001", kTooLarge + R"(86400001,"ctx":{"le":86400000})"},
        RuleCase{"end_time", R"("noon")", kNoInteger + R"("noon")"},
        RuleCase{"force_refresh", "2", kNoBoolean + "2"},
        RuleCase{"force_refresh", "-1.0", kNoBoolean + "-1.0"},
        RuleCase{"force_refresh", R"("maybe")", kNoBoolean + R"("maybe")"},
        RuleCase{"force_refresh", "null",
                 R"(bool_type|"msg":"Input should be a valid boolean","input":null)"},
        RuleCase{"force_refresh", "1.5",
                 R"(bool_type|"msg":"Input should be a valid boolean","input":1.5)"},
        RuleCase{
            "force_refresh", "9223372036854775808",
            R"(bool_type|"msg":"Input should be a valid boolean","input":9223372036854775808)"}));

TEST(BrokenRulesTest, AreAllToldInTheOrderOfTheMembers) {
  const auto parsed = submitted(
      R"({"force_refresh":"x","end_time":1,"start_time":2,"return_format":"csv","interval":1000,
          "schema":"z","end_date":"20230101","start_date":"20230102","root":"."})");
  ASSERT_FALSE(parsed.has_value());
  const auto detail = nlohmann::json::parse(parsed.error().body).at("detail");
  std::vector<std::string> told;
  for (const auto& fault : detail)
    told.push_back(fault.at("loc").at(1).get<std::string>() + " " +
                   fault.at("type").get<std::string>());
  EXPECT_EQ(told, (std::vector<std::string>{"root string_pattern_mismatch", "end_date value_error",
                                            "schema value_error", "interval value_error",
                                            "return_format value_error", "end_time value_error",
                                            "force_refresh bool_parsing"}));
}

TEST(BrokenRulesTest, TimesOutOfOrderAreTheEndsFault) {
  const auto parsed = submitted(R"({"root":"A","start_date":"20230102","end_date":"20230103",
                                    "start_time":2,"end_time":"1"})");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().body,
            R"({"detail":[{"type":"value_error","loc":["body","end_time"],"msg":"Value error, )"
            R"(end_time must be >= start_time","input":"1","ctx":{"error":{}}}]})");
}

TEST(BrokenRulesTest, AMissingMemberIsToldWithTheWholeBody) {
  const auto parsed =
      submitted(R"({ "start_date" : "20230102", "end_date":"20230103", "ä":[1.0,{}] })");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().body,
            R"({"detail":[{"type":"missing","loc":["body","root"],"msg":"Field required",)"
            R"("input":{"start_date":"20230102","end_date":"20230103","ä":[1.0,{}]}}]})");
}

struct BodyCase {
  std::string name;
  std::string content_type;
  std::string body;
  Refusal refusal;
};

const std::string kNoObject =
    R"({"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":)";
const Refusal kMissing{
    422, R"({"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]})"};
const Refusal kUnreadable{400, R"({"detail":"There was an error parsing the body"})",
                          ProblemCode::body_unreadable};

class BodyTest : public testing::TestWithParam<BodyCase> {};

TEST_P(BodyTest, IsRefusedAsAWhole) {
  const auto& [name, content_type, body, refusal] = GetParam();
  const auto parsed = parse_submission(Kind::stock, content_type, body, Existing::keep);
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error(), refusal) << parsed.error().body;
}

INSTANTIATE_TEST_SUITE_P(
    Bodies, BodyTest,
    testing::Values(
        BodyCase{"empty", "application/json", "", kMissing},
        BodyCase{"empty_form", "application/x-www-form-urlencoded", "", kMissing},
        BodyCase{"null", "application/json", " null", kMissing},
        BodyCase{"number", "application/json", "1e3", {422, kNoObject + "1000.0}]}"}},
        BodyCase{"boolean", "", "false", {422, kNoObject + "false}]}"}},
        BodyCase{"text", "application/json", R"("é")", {422, kNoObject + R"("é"}]})"}},
        BodyCase{"array", "application/json", "[ {} ]", {422, kNoObject + "[{}]}]}"}},
        BodyCase{
            "form", "text/plain; charset=utf-8", "a=\"1\"", {422, kNoObject + R"("a=\"1\""}]})"}},
        BodyCase{
            "space",
            "application/json",
            " \n",
            {422,
             R"({"detail":[{"type":"json_invalid","loc":["body",2],"msg":"JSON decode error","input":{},"ctx":{"error":"Expecting value"}}]})"}},
        BodyCase{
            "bad_escape",
            "application/merge-patch+json",
            R"({"é":"\x"})",
            {422,
             R"({"detail":[{"type":"json_invalid","loc":["body",6],"msg":"JSON decode error","input":{},"ctx":{"error":"Invalid \\escape"}}]})"}},
        BodyCase{"bad_utf8", "application/json", "{\"root\":\"\xff\"}", kUnreadable},
        BodyCase{"bad_utf8_form", "text/plain", "\xff", kUnreadable},
        BodyCase{"too_deep", "application/json", std::string(100'000, '['), kUnreadable}),
    [](const auto& tested) { return tested.param.name; });

TEST(ContentTypeTest, DecidesWhetherTheBodyIsJson) {
  const std::string body = R"({"root":"A","start_date":"20230102","end_date":"20230103"})";
  for (const auto* json :
       {"", "application/json", " Application/JSON ; charset=latin-1", "application/vnd.api+json"})
    EXPECT_TRUE(parse_submission(Kind::stock, json, body, Existing::keep).has_value()) << json;
  for (const auto* other : {"text/json", "application", "application/json/x", "application/ json",
                            "application/json,text/plain", "multipart/form-data"})
    EXPECT_FALSE(parse_submission(Kind::stock, other, body, Existing::keep).has_value()) << other;
}

}  // namespace
}  // namespace betedge::wire
