// SPDX-License-Identifier: Apache-2.0
// Columns that fit: what is cut first, what is never cut, what goes altogether.
#include "dlq-inspector/table.h"
#include "tests/dlq-inspector/fixture.h"

static const struct table_column COLUMNS[] = {
    { .title = "AGE", .right = true },
    { .title = "ROUTE", .min = 4, .drop = 1 },
    { .title = "ID" },
    { .title = "TEXT", .min = 6, .drop = 2 },
};

static const struct {
    const char *name;
    int width;
    const char *cells[8];
    const char *want;
} CASES[] = {
    { "a table that fits is not cut", 80, { "3s", "default", "job-1", "mailbox full" },
      "AGE  ROUTE    ID     TEXT\n 3s  default  job-1  mailbox full\n" },
    { "the last column gives way first", 30, { "3s", "default", "job-1", "mailbox full" },
      "AGE  ROUTE    ID     TEXT\n 3s  default  job-1  mailbox …\n" },
    { "then those left of it, down to their minimum", 24, { "3s", "default", "job-1", "mailbox full" },
      "AGE  ROU…  ID     TEXT\n 3s  def…  job-1  mailb…\n" },
    { "an id is never cut, other columns go", 20, { "3s", "default", "job-123456", "mailbox full" },
      "AGE  ID\n 3s  job-123456\n" },
    { "a dropped column leaves its room to the others", 26, { "3s", "default", "job-12345", "mailbox full" },
      "AGE  ID         TEXT\n 3s  job-12345  mailbox f…\n" },
    { "characters are counted, not bytes", 80, { "3s", "d\xc3\xa9" "faut", "j", "x", "12m", "default", "k", "y" },
      "AGE  ROUTE    ID  TEXT\n 3s  d\xc3\xa9" "faut   j   x\n12m  default  k   y\n" },
    { "a cell cannot break the line", 80, { "3s", "a\nb", "j", "x" }, "AGE  ROUTE  ID  TEXT\n 3s  a b    j   x\n" },
    { "an empty cell leaves no spaces at the end", 80, { "3s", "r", "j", "" }, "AGE  ROUTE  ID  TEXT\n 3s  r      j\n" },
};

static void columns(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct table t;
        struct buf out = { 0 };
        table_init(&t, COLUMNS, 4);
        for (int c = 0; c < 8 && CASES[i].cells[c] != NULL; c++)
            table_cell_string(&t, CASES[i].cells[c]);
        table_print(&t, CASES[i].width, &out);
        expect_text(CASES[i].name, buf_slice(&out), CASES[i].want);
        table_clear(&t);
        buf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(columns) };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
