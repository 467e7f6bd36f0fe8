#pragma once

/*
 * Go's text/template, as rule annotations and notification templates use it: parsed once, executed
 * many times.
 *
 * Language: https://pkg.go.dev/text/template; what of it is here, and every function, is in the
 * table at the top of tmpl.c. Errors have Go's words, since Prometheus shows them to users.
 *
 * Data are plain values in an arena. A `query` or `template` that needs the world outside is a
 * function in the caller's table.
 *
 * Threads: a parsed template never changes. An execution belongs to one thread.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

typedef struct Tmpl Tmpl; /* a set of named templates, as Go's *template.Template */
typedef struct TmplValue TmplValue;
typedef struct TmplExec TmplExec;

typedef enum TmplType {
    TMPL_NIL,
    TMPL_BOOL,
    TMPL_INT,
    TMPL_FLOAT,
    TMPL_STRING,
    TMPL_LIST,
    TMPL_MAP,    /* string keys, printed and ranged over in sorted order */
    TMPL_OBJECT, /* named fields and methods: a struct in Go */
    TMPL_TIME,
    TMPL_DURATION, /* nanoseconds */
} TmplType;

/* A method or function: gets its receiver (methods) and arguments, the piped one last. False fails
 * the execution, `err` in Go's words for "error calling name: ...". */
typedef bool (*TmplCall)(TmplExec *exec, const TmplValue *args, size_t count, TmplValue *ret_value,
                         Err *err);

typedef struct TmplFunc {
    const char *name;
    int args_min, args_max; /* without the receiver; -1 = any number */
    TmplCall call;
} TmplFunc;

typedef struct TmplField {
    Str name;
    const TmplValue *value;
} TmplField;

struct TmplValue {
    TmplType type;
    bool boolean;
    bool zero_missing; /* MAP: a missing key is "" (map[string]string), not <no value> */
    int64_t
        integer; /* INT, DURATION; TIME: Unix nanoseconds, INT64_MIN = Go's zero time (year 1) */
    int32_t zone_offset_s; /* TIME */
    const char *zone_name; /* TIME: "UTC" */
    double number;
    Str string;
    const TmplValue *items;  /* LIST */
    const TmplField *fields; /* MAP (sorted by name) and OBJECT */
    size_t count;
    const TmplFunc *methods; /* ends with {0}; NULL = none. On any type. args[0] is the receiver */
    const char
        *go_type; /* as in Go's messages: "string", "float64", "template.Alert"; NULL = by type */
    const TmplValue *print_as; /* OBJECT: what {{ . }} prints, NULL = Go's %v of the fields; INT:
                                  what its String() gives, NULL = it has none */
    const TmplValue *json_as;  /* what toJson writes instead; NULL = the fields */
    const void *user;          /* for methods */
};

TmplValue tmpl_string(Str text);
TmplValue tmpl_float(double number);
TmplValue tmpl_int(int64_t number);
TmplValue tmpl_bool(bool value);
TmplValue tmpl_time(TimeMs time);
/* map[string]string of a label set-like list; sorts. */
TmplValue tmpl_string_map(Arena *arena, const Str *names, const Str *values, size_t count);

/* Function sets to choose from; a set is a {0}-terminated array. A template may use several,
 * earlier ones win. */
extern const TmplFunc tmpl_funcs_prometheus[];   /* rule templates, section 5.3 column P */
extern const TmplFunc tmpl_funcs_vmalert[];      /* column V */
extern const TmplFunc tmpl_funcs_alertmanager[]; /* notification templates */

typedef struct TmplOptions {
    const TmplFunc *const *funcs; /* NULL-terminated list of sets; Go's builtins are always there */
    bool missing_zero;            /* Go's option missingkey=zero */
    bool missing_error;           /* missingkey=error */
    bool html; /* html/template: what actions print is escaped for HTML text, attributes and URLs */
    Str left, right; /* delimiters; empty = {{ and }} */
} TmplOptions;

/* A set starts with its main template; tmpl_add() parses more `define`s into it (a file). `text`
 * and all else are copied. */
bool tmpl_parse(Str name, Str text, const TmplOptions *options, Tmpl **ret_tmpl,
                Err *err) MUST_CHECK;
bool tmpl_add(Tmpl *tmpl, Str name, Str text, Err *err) MUST_CHECK;
/* A cheap view of `base` with one more template on top: for one-line templates that use defines
 * from files. `base` outlives it. */
bool tmpl_derive(const Tmpl *base, Str name, Str text, Tmpl **ret_tmpl, Err *err) MUST_CHECK;
void tmpl_free(Tmpl *tmpl);
DEFINE_AUTO(Tmpl, tmpl_free)
bool tmpl_has(const Tmpl *tmpl, Str name);

/* The function of these sets or of Go's builtins whose name `name` may be a misspelling of, or
 * NULL.
 */
const char *tmpl_suggest_func(const TmplFunc *const *funcs, Str name);

/* What functions need of the world; copied into the execution. */
typedef struct TmplWorld {
    TimeMs now;
    Str external_url;
    /* {{ query "..." }}: fills a LIST of OBJECTs {Labels, Value}; a parameter for the length of the
     * execution. */
    bool (*query)(void *ctx, Str expr, Arena *arena, TmplValue *ret_list, Err *err);
    void *query_ctx;
    size_t output_bytes_max; /* 0 = 1 MiB */
    size_t steps_max;        /* bound of loops and recursion; 0 = 1,000,000 */
} TmplWorld;

/* Executes template `name` ("" = the main one) with `data` as dot. Output is appended to `out`. */
bool tmpl_execute(const Tmpl *tmpl, Str name, const TmplValue *data, const TmplWorld *world,
                  Arena *arena, Buf *out, Err *err) MUST_CHECK;

/* For functions: */
Arena *tmpl_exec_arena(TmplExec *exec);
const TmplWorld *tmpl_exec_world(TmplExec *exec);
const TmplValue *tmpl_exec_data(TmplExec *exec); /* the dot of the whole execution */
const Tmpl *tmpl_exec_tmpl(TmplExec *exec);
/* Executes another template with the data of this execution; the nesting is how many such are under
 * way. */
bool tmpl_execute_nested(TmplExec *exec, const Tmpl *tmpl, Buf *out, Err *err) MUST_CHECK;
int tmpl_exec_nesting(const TmplExec *exec);
void tmpl_print_value(Buf *buf, const TmplValue *value); /* Go's fmt.Print */

/* Every field chain a template uses of a variable ("$labels.instance") or of its data
 * (".Labels.instance"; not where `range`, `with` or `define` make the dot something else), for
 * lint. */
void tmpl_fields(const Tmpl *tmpl, void (*visit)(void *ctx, Str chain), void *ctx);
/* The first {{ template "name" }} in it whose name nothing defines; empty if there is none. */
Str tmpl_undefined(const Tmpl *tmpl);

/* Go's url.QueryEscape, for links that templates do not make. */
void url_query_escape(Buf *out, Str text);
