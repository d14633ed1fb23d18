#include <exception>

#include "betedge/app/command.hpp"
#include "betedge/app/doctor.hpp"
#include "betedge/app/serve.hpp"
#include "betedge/app/simulate.hpp"
#include "betedge/app/token_file.hpp"
#include "betedge/app/verify.hpp"
#include "betedge/cli/cli.hpp"

int main(int argc, char** argv) {
  using namespace betedge;  // NOLINT(google-build-using-namespace)
  try {
    return cli::run(argc, argv,
                    {.serve = app::serve,
                     .sim = app::simulate,
                     .config = app::show_config,
                     .token = app::make_token,
                     .doctor = app::run_doctor,
                     .verify = app::verify_here,
                     .read_rows = app::read_rows});
  } catch (const std::exception& fault) {
    return app::complain(fault.what(), 1);
  }
}
