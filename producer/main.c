// SPDX-License-Identifier: Apache-2.0
// sendfleet-producer: the command line.
#include "producer/commands.h"

#include <fcntl.h>
#include <unistd.h>

static const struct command COMMANDS[] = {
    { .name = "publish", .arguments = "[FILE|-]", .summary = "publish jobs from JSON lines, one result a line", .run = publish_run,
      .options = publish_options,
      .examples = "  sendfleet-producer publish jobs.jsonl > results.jsonl\n"
                  "  generate-receipts | sendfleet-producer publish -\n" },
    { .name = "send", .arguments = "", .summary = "publish one job made from flags", .run = send_run, .options = send_options,
      .examples = "  sendfleet-producer send --to ann@example.com --from shop@example.com --subject Receipt --text 'Thank you.'\n" },
    { .name = "topics", .arguments = "", .summary = "create and check all topics", .run = topics_run, .options = topics_options,
      .examples = "  sendfleet-producer topics\n"
                  "  sendfleet-producer topics --check --json\n" },
    { 0 },
};

// Where a standard descriptor is closed, the next socket would get its number, and results would go to the broker.
static void fill_standard_descriptors(void)
{
    int fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO)
        fd = dup(fd);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    static const struct program program = {
        .name = "sendfleet-producer",
        .summary = "Publishes send jobs and sets up the topics they travel on.",
        .commands = COMMANDS,
        .options = common_options,
        .epilogue = "Exit status: 0 all published, 64 usage, 65 some lines refused, 69 broker away, 75 some not\n"
                    "acknowledged (publish them again, their keys protect them), 78 configuration or topics.",
    };
    fill_standard_descriptors();
    return program_run(&program, argc, argv);
}
