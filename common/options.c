// SPDX-License-Identifier: Apache-2.0
// options: argv against tables, and help out of the same tables.
//
// Two passes, because options may stand before the command and only the command says which of them take a value:
// the first finds the command (skipping the value of whatever option any command knows), the second parses. The
// targets in the tables are written as options are met; nothing is undone on an error, since the program ends.
#include "common/options.h"

#include "common/alloc.h"
#include "common/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LEN = 64, NAMES_MAX = 64, USAGE = 64 };

struct line { // a command line being parsed
    const struct program *program;
    const struct command *command; // NULL until found
    bool command_given;            // by name, not by default
    int command_at;                // its place in argv, 0 = none
    int argc;
    char **argv;
    int positional_count;
    char **positional; // owned
    bool help, version;
};

// ---- looking things up ------------------------------------------------------------------------------------------

static const struct option *option_in(const struct option *table, const char *name, size_t len, char letter)
{
    for (; table != NULL && table->name != NULL; table++) {
        if (letter != 0 ? table->letter == letter : strlen(table->name) == len && strncmp(table->name, name, len) == 0)
            return table;
    }
    return NULL;
}

static const struct option *find_option(const struct line *l, const char *name, size_t len, char letter)
{
    const struct option *o = l->command != NULL ? option_in(l->command->options, name, len, letter) : NULL;
    if (o == NULL)
        o = option_in(l->program->options, name, len, letter);
    // Before the command is known: whatever some command means by it.
    for (const struct command *c = l->program->commands; l->command == NULL && o == NULL && c->name != NULL; c++)
        o = option_in(c->options, name, len, letter);
    return o;
}

static const struct command *find_command(const struct program *p, const char *name)
{
    for (const struct command *c = p->commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

// ---- complaints -------------------------------------------------------------------------------------------------

static int complain(const struct line *l, const char *what, const char *detail)
{
    fprintf(stderr, "%s%s%s: %s%s (--help shows how)\n", l->program->name, l->command_given ? " " : "",
            l->command_given ? l->command->name : "", what, detail);
    return USAGE;
}

static int complain_near(const struct line *l, const char *what, const char *word, const char *dashes, const char *nearest)
{
    char detail[256];
    if (nearest != NULL)
        snprintf(detail, sizeof detail, "%s%.80s, did you mean %s%s?", dashes, word, dashes, nearest);
    else
        snprintf(detail, sizeof detail, "%s%.80s", dashes, word);
    return complain(l, what, detail);
}

static int unknown_option(const struct line *l, const char *word, size_t len)
{
    const char *names[NAMES_MAX] = { "help", "version" };
    int count = 2;
    const struct option *tables[] = { l->command != NULL ? l->command->options : NULL, l->program->options };
    for (size_t t = 0; t < 2; t++)
        for (const struct option *o = tables[t]; o != NULL && o->name != NULL && count < NAMES_MAX - 1; o++)
            names[count++] = o->name;
    char wanted[NAME_MAX_LEN + 1];
    snprintf(wanted, sizeof wanted, "%.*s", (int)(len < NAME_MAX_LEN ? len : NAME_MAX_LEN), word);
    return complain_near(l, "unknown option ", wanted, "--", nearest_name(wanted, names));
}

static int unknown_command(const struct line *l, const char *word)
{
    const char *names[NAMES_MAX] = { 0 };
    int count = 0;
    for (const struct command *c = l->program->commands; c->name != NULL && count < NAMES_MAX - 1; c++)
        names[count++] = c->name;
    return complain_near(l, "unknown command ", word, "", nearest_name(word, names));
}

// ---- values -----------------------------------------------------------------------------------------------------

static bool set_int(const struct option *o, const char *text)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
        return false;
    *(int64_t *)o->target = n;
    return true;
}

static bool set_list(const struct option *o, char *text)
{
    struct option_list *list = o->target;
    if (list->count == OPTION_LIST_MAX)
        return false;
    list->items[list->count++] = text;
    return true;
}

static int set_value(const struct line *l, const struct option *o, char *text)
{
    char what[160];
    const char *want = "";
    bool ok = true;
    switch (o->type) {
    case OPTION_FLAG:
        assert(false);
        break;
    case OPTION_STRING:
        *(const char **)o->target = text;
        break;
    case OPTION_INT:
        ok = set_int(o, text);
        want = "is not a whole number";
        break;
    case OPTION_DURATION:
        ok = clock_parse_duration(text, o->target);
        want = "is not a duration such as 30s or 10m";
        break;
    case OPTION_LIST:
        ok = set_list(o, text);
        want = "is one too many";
        break;
    }
    if (ok)
        return 0;
    snprintf(what, sizeof what, "--%s: \"%.60s\" ", o->name, text);
    return complain(l, what, want);
}

// Parses the option at argv[*at]; *at moves on when its value is the next word.
static int take_option(struct line *l, int *at)
{
    char *word = l->argv[*at];
    bool is_long = word[1] == '-';
    char *name = word + (is_long ? 2 : 1), *equals = is_long ? strchr(name, '=') : NULL;
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct option *o = find_option(l, name, len, is_long ? 0 : name[0]);
    if (o == NULL && is_long)
        return unknown_option(l, name, len);
    if (o == NULL)
        return complain_near(l, "unknown option ", name, "-", NULL);
    char *value = equals != NULL ? equals + 1 : !is_long && name[1] != '\0' ? name + 1 : NULL;
    if (o->type == OPTION_FLAG) {
        *(bool *)o->target = true;
        return value == NULL ? 0 : complain(l, o->name, ": takes no value");
    }
    if (value == NULL && *at + 1 < l->argc)
        value = l->argv[++*at];
    if (value == NULL) {
        char what[NAME_MAX_LEN];
        snprintf(what, sizeof what, "--%s needs ", o->name);
        return complain(l, what, o->value != NULL ? o->value : "a value");
    }
    return set_value(l, o, value);
}

// ---- the two passes ---------------------------------------------------------------------------------------------

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0'; // "-" is standard input, an argument
}

static bool takes_next_word(const struct line *l, const char *word)
{
    bool is_long = word[1] == '-';
    const struct option *o = is_long ? find_option(l, word + 2, strlen(word + 2), 0) : find_option(l, "", 0, word[1]);
    return o != NULL && o->type != OPTION_FLAG && (is_long || word[2] == '\0');
}

static int find_first_word(const struct line *l)
{
    for (int i = 1; i < l->argc; i++) {
        if (strcmp(l->argv[i], "--") == 0)
            return i + 1 < l->argc ? i + 1 : 0;
        if (!is_option(l->argv[i]))
            return i;
        if (takes_next_word(l, l->argv[i]))
            i++;
    }
    return 0;
}

static int choose_command(struct line *l)
{
    const struct program *p = l->program;
    int at = find_first_word(l);
    const struct command *named = at > 0 ? find_command(p, l->argv[at]) : NULL;
    bool default_takes_words = p->default_first && p->commands[0].arguments[0] != '\0';
    if (named != NULL) {
        l->command = named;
        l->command_given = true;
        l->command_at = at;
    } else if (at > 0 && !default_takes_words && !l->help && !l->version) {
        return unknown_command(l, l->argv[at]);
    } else if (p->default_first) {
        l->command = &p->commands[0];
    }
    return 0;
}

static void find_help(struct line *l)
{
    for (int i = 1; i < l->argc && strcmp(l->argv[i], "--") != 0; i++) {
        l->help = l->help || strcmp(l->argv[i], "--help") == 0 || strcmp(l->argv[i], "-h") == 0;
        l->version = l->version || strcmp(l->argv[i], "--version") == 0;
    }
}

static int parse(struct line *l)
{
    bool words_only = false;
    for (int i = 1; i < l->argc; i++) {
        if (i == l->command_at)
            continue;
        if (!words_only && strcmp(l->argv[i], "--") == 0) {
            words_only = true;
        } else if (!words_only && is_option(l->argv[i])) {
            int status = take_option(l, &i);
            if (status != 0)
                return status;
        } else {
            l->positional[l->positional_count++] = l->argv[i];
        }
    }
    if (l->positional_count > 0 && l->command->arguments[0] == '\0')
        return complain_near(l, "takes no arguments, got ", l->positional[0], "", NULL);
    return 0;
}

// ---- help -------------------------------------------------------------------------------------------------------

static void print_options(const char *title, const struct option *table)
{
    if (table == NULL || table->name == NULL)
        return;
    printf("\n%s:\n", title);
    for (; table->name != NULL; table++) {
        char left[64], letter[8] = "   ";
        if (table->letter != 0)
            snprintf(letter, sizeof letter, "-%c,", table->letter);
        snprintf(left, sizeof left, "%s --%s %s", letter, table->name, table->value != NULL ? table->value : "");
        printf("  %-28s %s\n", left, table->help);
    }
}

static void print_command_help(const struct program *p, const struct command *c)
{
    printf("Usage: %s %s [options]%s%s\n\n%s\n", p->name, c->name, c->arguments[0] != '\0' ? " " : "", c->arguments,
           c->summary);
    print_options("Options", c->options);
    print_options("Common options", p->options);
    if (c->examples != NULL)
        printf("\nExamples:\n%s\n", c->examples);
}

static void print_program_help(const struct program *p)
{
    printf("Usage: %s %s [options]\n\n%s\n\nCommands:\n", p->name, p->default_first ? "[command]" : "command", p->summary);
    for (const struct command *c = p->commands; c->name != NULL; c++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", c->name, c->arguments);
        bool is_default = p->default_first && c == p->commands;
        printf("  %-28s %s%s\n", left, c->summary, is_default ? " (default)" : "");
    }
    print_options("Common options", p->options);
    static const struct option own[] = {
        { .name = "help", .letter = 'h', .help = "this text, or that of a command" },
        { .name = "version", .help = "the version" },
        { 0 },
    };
    print_options("Also", own);
    printf("\n%s COMMAND --help tells more about a command.\n", p->name);
    if (p->epilogue != NULL)
        printf("\n%s\n", p->epilogue);
}

// ---- the door ---------------------------------------------------------------------------------------------------

static int run(struct line *l)
{
    int status = choose_command(l);
    if (status != 0)
        return status;
    if (l->help && l->command_given)
        print_command_help(l->program, l->command);
    else if (l->help)
        print_program_help(l->program);
    else if (l->version)
        printf("%s %s\n", l->program->name, SENDFLEET_VERSION);
    if (l->help || l->version)
        return 0;
    if (l->command == NULL)
        return complain(l, "which command?", "");
    status = parse(l);
    return status != 0 ? status : l->command->run(l->positional_count, l->positional);
}

int program_run(const struct program *p, int argc, char **argv)
{
    struct line l = { .program = p, .argc = argc, .argv = argv };
    l.positional = xcalloc((size_t)argc + 1, sizeof *l.positional);
    find_help(&l);
    int status = run(&l);
    free(l.positional);
    return status;
}

// ---- suggestions ------------------------------------------------------------------------------------------------

static int least(int a, int b)
{
    return a < b ? a : b;
}

// Edits (insert, delete, replace, swap neighbours) that turn a into b; names longer than NAME_MAX_LEN are far.
static int distance(const char *a, const char *b)
{
    size_t alen = strlen(a), blen = strlen(b);
    if (alen > NAME_MAX_LEN || blen > NAME_MAX_LEN)
        return NAME_MAX_LEN;
    int rows[NAME_MAX_LEN + 1][NAME_MAX_LEN + 1];
    for (size_t i = 0; i <= alen; i++)
        rows[i][0] = (int)i;
    for (size_t j = 0; j <= blen; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= alen; i++) {
        for (size_t j = 1; j <= blen; j++) {
            int edits = least(rows[i - 1][j], rows[i][j - 1]) + 1;
            edits = least(edits, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                edits = least(edits, rows[i - 2][j - 2] + 1);
            rows[i][j] = edits;
        }
    }
    return rows[alen][blen];
}

const char *nearest_name(const char *wanted, const char *const *names)
{
    int near = (int)strlen(wanted) / 3; // beyond a third of its letters it is another word
    const char *nearest = NULL;
    near = near < 1 ? 1 : near > 4 ? 4 : near;
    for (; *names != NULL; names++) {
        int edits = distance(wanted, *names);
        if (edits <= near) {
            nearest = *names;
            near = edits - 1;
        }
    }
    return nearest;
}
