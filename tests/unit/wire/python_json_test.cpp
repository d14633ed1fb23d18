#include "betedge/wire/python_json.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

namespace betedge::wire {
namespace {

struct FaultCase {
  std::string text;
  std::string message;
  std::size_t position;
};

// What CPython 3.11's json.loads(text.encode()) says.
TEST(PythonJsonTest, FaultsHavePythonsMessageAndPosition) {
  const FaultCase cases[] = {
      {"", "Expecting value", 0},
      {"  ", "Expecting value", 2},
      {"{", "Expecting property name enclosed in double quotes", 1},
      {"[", "Expecting value", 1},
      {R"({"a")", "Expecting ':' delimiter", 4},
      {R"({"a":)", "Expecting value", 5},
      {R"({"a":1)", "Expecting ',' delimiter", 6},
      {R"({"a":1,)", "Expecting property name enclosed in double quotes", 7},
      {R"({"a":1,})", "Expecting property name enclosed in double quotes", 7},
      {R"({a:1})", "Expecting property name enclosed in double quotes", 1},
      {R"([1)", "Expecting ',' delimiter", 2},
      {R"([1,)", "Expecting value", 3},
      {R"([1,])", "Expecting value", 3},
      {R"([1 2])", "Expecting ',' delimiter", 3},
      {R"({"a" 1})", "Expecting ':' delimiter", 5},
      {R"({"a":1 "b":2})", "Expecting ',' delimiter", 7},
      {R"({"a":tru})", "Expecting value", 5},
      {R"("abc)", "Unterminated string starting at", 0},
      {R"("ab\)", "Unterminated string starting at", 0},
      {R"( "a\x")", "Invalid \\escape", 3},
      {R"("\u12")", "Invalid \\uXXXX escape", 2},
      {R"("\u123)", "Invalid \\uXXXX escape", 2},
      {R"("\u12G4")", "Invalid \\uXXXX escape", 2},
      {R"("\ud83d\u12G4")", "Invalid \\uXXXX escape", 8},
      {R"("\ud83d\ude0")", "Invalid \\uXXXX escape", 8},
      {"\"a\x01\"", "Invalid control character at", 2},
      {"\"a\nb\"", "Invalid control character at", 2},
      {"nul", "Expecting value", 0},
      {"Nan", "Expecting value", 0},
      {"-Infinit", "Expecting value", 0},
      {"-", "Expecting value", 0},
      {"+1", "Expecting value", 0},
      {".5", "Expecting value", 0},
      {"'a'", "Expecting value", 0},
      {"// x", "Expecting value", 0},
      {"\u00a01", "Expecting value", 0},
      {"01", "Extra data", 1},
      {"1.", "Extra data", 1},
      {"1.e5", "Extra data", 1},
      {"1e", "Extra data", 1},
      {"1e+", "Extra data", 1},
      {"{} x", "Extra data", 3},
      {R"("é" x)", "Extra data", 4},
      {R"(["é😀",])", "Expecting value", 6},
      {R"({"é":nope})", "Expecting value", 5},
      {"\uFEFF{", "Expecting property name enclosed in double quotes", 1},
  };
  for (const auto& [text, message, position] : cases) {
    const auto parsed = parse_python_json(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().type, PythonJsonFault::Type::syntax) << text;
    EXPECT_EQ(parsed.error().message, message) << text;
    EXPECT_EQ(parsed.error().position, position) << text;
  }
}

TEST(PythonJsonTest, AnEmbeddedNulIsNoValue) {
  const auto parsed = parse_python_json(std::string_view("\0", 1));
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().message, "Expecting value");
}

struct EchoCase {
  std::string text;
  std::string echo;
};

TEST(PythonJsonTest, ValuesAreWrittenAsPythonWould) {
  const EchoCase cases[] = {
      {" { \"b\" : 1 , \"a\" : [ ] } ", R"({"b":1,"a":[]})"},
      {R"({"a":1,"b":2,"a":3})", R"({"a":3,"b":2})"},
      {R"(["é\u00e9","\ud83d\ude00","\/\b\f\n\r\t\"\\","\u0001\u001f\u007f"])",
       R"(["éé","😀","/\b\f\n\r\t\"\\","\u0001\u001f)"
       "\x7f\"]"},
      {R"(["\ud83dx","\udc00"])", "[\"\uFFFDx\",\"\uFFFD\"]"},
      {R"(["\ud83d\u0041"])", "[\"\uFFFDA\"]"},
      {"[-0,-0.0,0,1E3,1e16,1e15,1e-5,0.0001]",
       "[0,-0.0,0,1000.0,1e+16,1000000000000000.0,1e-05,0.0001]"},
      {"[123456789012345678901234567890,-99999999999999999999]",
       "[123456789012345678901234567890,-99999999999999999999]"},
      {"[NaN,Infinity,-Infinity,1e400,1e-400]", "[null,null,null,null,0.0]"},
      {"[true,false,null]", "[true,false,null]"},
      {"\uFEFF5", "5"},
  };
  for (const auto& [text, echo] : cases) {
    const auto parsed = parse_python_json(text);
    ASSERT_TRUE(parsed.has_value()) << text << ": " << parsed.error().message;
    EXPECT_EQ(to_python_json(*parsed), echo);
  }
}

TEST(PythonJsonTest, WhatItWritesReadsBackAsTheSame) {
  std::mt19937_64 random(1);
  const auto make = [&random](auto& self, int depth) -> PythonValue {
    PythonValue value;
    value.type = static_cast<PythonValue::Type>(random() % (depth == 0 ? 5 : 7));
    switch (value.type) {
      case PythonValue::Type::null: break;
      case PythonValue::Type::boolean: value.boolean = random() % 2 == 0; break;
      case PythonValue::Type::integer:
        value.text = std::to_string(static_cast<std::int64_t>(random()));
        break;
      case PythonValue::Type::real:
        value.real =
            std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 600) - 300);
        break;
      case PythonValue::Type::text:
        for (auto n = random() % 8; n > 0; --n)
          value.text += std::array{"a", "é", "\n", "\"", "\\", "😀", "\x01", "\x7f"}[random() % 8];
        break;
      case PythonValue::Type::array:
        for (auto n = random() % 4; n > 0; --n) value.items.push_back(self(self, depth - 1));
        break;
      case PythonValue::Type::object:
        for (auto n = random() % 4; n > 0; --n)
          value.members.push_back({std::to_string(n), self(self, depth - 1)});
        break;
    }
    return value;
  };
  for (int i = 0; i < 500; ++i) {
    const std::string text = to_python_json(make(make, 4));
    const auto parsed = parse_python_json(text);
    ASSERT_TRUE(parsed.has_value()) << text;
    ASSERT_EQ(to_python_json(*parsed), text);
  }
}

TEST(PythonJsonTest, CannotReadWhatIsNotUtf8) {
  for (const auto* text :
       {"\"\xff\"", "\"\xc3\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
        "{} \x80", "\"\xe0\x80\x80\"", "\"\xf0\x80\x80\x80\""}) {
    const auto parsed = parse_python_json(text);
    ASSERT_FALSE(parsed.has_value());
    EXPECT_EQ(parsed.error().type, PythonJsonFault::Type::unreadable);
  }
}

TEST(PythonJsonTest, NestsAsDeepAsAllowedAndNoDeeper) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_python_json(nested(kDeepestNesting)).has_value());
  for (const std::size_t depth : {std::size_t{kDeepestNesting} + 1, std::size_t{1'000'000}}) {
    const auto parsed = parse_python_json(nested(depth));
    ASSERT_FALSE(parsed.has_value());
    EXPECT_EQ(parsed.error().type, PythonJsonFault::Type::unreadable);
  }
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += R"({"a":)";
  EXPECT_EQ(parse_python_json(objects).error().type, PythonJsonFault::Type::unreadable);
}

TEST(PythonJsonTest, AnIntegerOfTooManyDigitsCannotBeRead) {
  EXPECT_TRUE(parse_python_json("-" + std::string(4300, '9')).has_value());
  EXPECT_EQ(parse_python_json(std::string(4301, '9')).error().type,
            PythonJsonFault::Type::unreadable);
}

TEST(PythonReprTest, IsPythons) {
  const std::pair<double, const char*> cases[] = {
      {0.0, "0.0"},
      {-0.0, "-0.0"},
      {100.0, "100.0"},
      {57.14285714285714, "57.14285714285714"},
      {0.1, "0.1"},
      {1e-4, "0.0001"},
      {0.00012345, "0.00012345"},
      {1e-5, "1e-05"},
      {1.5e-7, "1.5e-07"},
      {123456789012345680.0, "1.2345678901234568e+17"},
      {1e16, "1e+16"},
      {9999999999999998.0, "9999999999999998.0"},
      {1e22, "1e+22"},
      {1.5e300, "1.5e+300"},
      {5e-324, "5e-324"},
      {1.0 / 3, "0.3333333333333333"},
      {1e15, "1000000000000000.0"},
      {-1234.5, "-1234.5"},
      {HUGE_VAL, "inf"},
      {-HUGE_VAL, "-inf"},
      {std::numeric_limits<double>::quiet_NaN(), "nan"},
  };
  for (const auto& [value, text] : cases) EXPECT_EQ(python_repr(value), text);
}

TEST(QuotedTest, ABadByteBecomesAReplacementCharacter) {
  EXPECT_EQ(wire::quoted("a\xff\xc3z"), "\"a\uFFFD\uFFFDz\"");
}

}  // namespace
}  // namespace betedge::wire
