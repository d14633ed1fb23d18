#pragma once

#include "betedge/cli/workplace.hpp"

namespace betedge::app {

// What `betedge verify` does where no server runs: opens the lake and the store that the settings
// name (environment, .env, file), and reads the lake again. Their locks see to it that no server of
// this machine has them; the error is then their sentence. Nothing is made where there is no lake,
// and nothing is downloaded. What nobody recorded, and is in order, is recorded.
Task<Result<VerifyEnd>> verify_here(Runtime& runtime, cli::LocalVerification asked);

// What `betedge cat` shows of an object: the first rows of a whole Parquet or Arrow file.
Result<cli::FirstRows> read_rows(std::string object, std::size_t rows);

}  // namespace betedge::app
