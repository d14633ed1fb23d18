#pragma once

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "betedge/cli/commands.hpp"
#include "support/scripted_http.hpp"
#include "support/virtual_runtime.hpp"

// The commands against a scripted server.
namespace betedge::cli {

class RecordingConsole final : public Console {
 public:
  void out(std::string_view text) override { on_out += text; }
  void err(std::string_view text) override { on_err += text; }
  std::size_t columns() const override { return width; }
  Looks looks() const override { return shown; }
  std::string on_out, on_err;
  std::size_t width = 81;
  Looks shown{};
};

inline Task<void> execute_into(Workplace& workplace, Invocation invocation, int& status) {
  status = co_await execute(workplace, std::move(invocation));
}

// Runs command lines in virtual time and keeps what they ask and print.
class CommandsTest : public ::testing::Test {
 protected:
  int run(const std::string& line) {
    std::istringstream stream(line);
    std::vector<std::string> arguments;
    for (std::string word; stream >> word;) arguments.push_back(word);
    auto invocation = parse_arguments(arguments);
    EXPECT_TRUE(invocation) << (invocation ? "" : invocation.error().err);
    sdk::AsyncClient server(runtime_, http_, {});
    Workplace workplace{runtime_, server, console_, stop_.get_token(), verify_here_};
    int status = -1;
    runtime_.run(execute_into(workplace, *std::move(invocation), status));
    return status;
  }
  void answer(std::vector<betedge::testing::Scripted> answers) {
    http_.answers = {answers.begin(), answers.end()};
  }

  betedge::testing::VirtualRuntime runtime_{5};
  betedge::testing::ScriptedHttp http_;
  RecordingConsole console_;
  std::stop_source stop_;
  VerifyHere verify_here_;
};

}  // namespace betedge::cli
