// SPDX-License-Identifier: Apache-2.0
// sendfleet-dlq: the inspector. See commands/commands.c for what it can do.
#include "dlq-inspector/commands/commands.h"

int main(int argc, char **argv)
{
    return program_run(&INSPECTOR, argc, argv);
}
