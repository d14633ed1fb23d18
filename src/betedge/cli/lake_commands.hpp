#pragma once

#include "betedge/cli/arguments.hpp"
#include "betedge/cli/workplace.hpp"
#include "betedge/ports/task.hpp"

// The commands about what lies in the lake; each gives the exit status.
namespace betedge::cli {

// What lies there, a line a series.
Task<int> list_roots(Workplace& workplace, Invocation invocation);

// A series, session by session, as a calendar, with its gaps and how to fill them; kPartial when
// there are some, kNotFound when nothing is known of it.
Task<int> show_coverage(Workplace& workplace, wire::CoverageQuery query, Invocation invocation);

// One job of exactly the gaps, then as a submit; kOk when there are none.
Task<int> fill(Workplace& workplace, FillCommand command, Invocation invocation);

// Reads again what lies there and says each difference as it is found; kPartial when there are
// some. Without a server, and none asked for, by `verify_here`.
Task<int> verify(Workplace& workplace, VerifyCommand command, Invocation invocation);

// `betedge ls`, `betedge cat`
Task<int> list_objects(Workplace& workplace, ListCommand command, Invocation invocation);
Task<int> show_object(Workplace& workplace, CatCommand command, Invocation invocation);

// What a download would do, in a person's words.
void show_plan(Workplace& workplace, const wire::DryRunView& plan);

}  // namespace betedge::cli
