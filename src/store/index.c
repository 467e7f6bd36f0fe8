/* Reading the index: everything is validated when it is opened. */

#include "store/index.h"

#include <assert.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/mem.h"
#include "store/index_format.h"
#include "store/parts.h"

/* What a reader accepts. */
enum { SECTION_BYTES_MAX = 1 << 28, SERIES_MAX = 1 << 28 };

/* The series first, first + 1, ... up to the next run's first have this name. */
typedef struct NameRun {
    uint32_t symbol;
    uint32_t first;
} NameRun;

/* The distinct sets of one part, and which one each series has. */
typedef struct Part {
    uint32_t set_count;
    uint32_t *firsts; /* set_count + 1: where each one's pairs begin */
    IndexPair *pairs; /* by name in order within a set */
    uint32_t *ids;    /* of each series */
} Part;

struct Index {
    Arena arena; /* all that follows */
    uint32_t symbol_count, series_count, run_count;
    Str *symbols;  /* sorted; [0] is "" */
    NameRun *runs; /* and one more, whose first is series_count */
    Part parts[INDEX_PARTS];
};

static bool corrupt(Err *err, const char *what) {
    return err_set(err, ERR_CORRUPT, "index: %s", what);
}

/* ---- opening ---- */

static bool open_section(Arena *arena, Str stored, uint64_t raw_bytes, ByteReader *ret_section,
                         Err *err) {
    if (stored.len == raw_bytes) {
        *ret_section = reader_of(stored);
        return true;
    }
    if (raw_bytes > SECTION_BYTES_MAX ||
        ZSTD_getFrameContentSize(stored.ptr, stored.len) != raw_bytes) {
        return corrupt(err, "section has an impossible length");
    }
    char *bytes = arena_raw(arena, raw_bytes + 1);
    size_t len = ZSTD_decompress(bytes, raw_bytes, stored.ptr, stored.len);
    if (ZSTD_isError(len) || len != raw_bytes) {
        return corrupt(err, "section does not decompress");
    }
    *ret_section = reader_of((Str){bytes, len});
    return true;
}

static bool open_sections(Arena *arena, ByteReader *reader, ByteReader sections[INDEX_SECTIONS],
                          Err *err) {
    uint64_t raw[INDEX_SECTIONS], stored[INDEX_SECTIONS];
    for (int i = 0; i < INDEX_SECTIONS; i++) {
        raw[i] = reader_varint(reader);
    }
    for (int i = 0; i < INDEX_SECTIONS; i++) {
        stored[i] = reader_varint(reader);
    }
    for (int i = 0; i < INDEX_SECTIONS; i++) {
        Str bytes = reader_bytes(reader, stored[i]);
        if (reader->bad) {
            return corrupt(err, "breaks off");
        }
        if (!open_section(arena, bytes, raw[i], &sections[i], err)) {
            return false;
        }
    }
    return reader_left(reader) == 0 || corrupt(err, "has bytes left over");
}

static bool open_symbols(Index *index, ByteReader *section, Err *err) {
    index->symbols = arena_array(&index->arena, Str, index->symbol_count);
    char text[LABEL_VALUE_BYTES_MAX];
    size_t len = 0;
    for (uint32_t i = 0; i < index->symbol_count; i++) {
        uint64_t shared = reader_varint(section), more = reader_varint(section);
        if (shared > len || more > sizeof text - shared) {
            return corrupt(err, "symbol makes no sense");
        }
        Str tail = reader_bytes(section, more);
        if (section->bad) {
            return corrupt(err, "symbols break off");
        }
        memcpy(text + shared, tail.ptr, tail.len);
        len = shared + tail.len;
        Str before = i ? index->symbols[i - 1] : STR("");
        if (i == 0 ? len != 0 : str_cmp(before, (Str){text, len}) >= 0) {
            return corrupt(err, "symbols are not in order");
        }
        index->symbols[i] = arena_str(&index->arena, (Str){text, len});
    }
    return reader_left(section) == 0 || corrupt(err, "symbols have bytes left over");
}

static bool open_names(Index *index, ByteReader *section, Err *err) {
    index->runs = arena_array(&index->arena, NameRun, index->run_count + 1);
    uint64_t symbol = 0, first = 0;
    for (uint32_t i = 0; i < index->run_count; i++) {
        uint64_t step = reader_varint(section), series = reader_varint(section);
        if ((i && step == 0) || step >= index->symbol_count - symbol || series == 0 ||
            series > index->series_count - first) {
            return corrupt(err, "metric names make no sense");
        }
        symbol += step;
        index->runs[i] = (NameRun){(uint32_t)symbol, (uint32_t)first};
        first += series;
    }
    index->runs[index->run_count] = (NameRun){0, index->series_count};
    bool complete = first == index->series_count && !section->bad && reader_left(section) == 0;
    return complete || corrupt(err, "metric names do not cover the series");
}

static bool open_pairs(Index *index, Part *part, uint32_t *values_before, ByteReader *section,
                       Err *err) {
    size_t pair_count = part->firsts[part->set_count];
    part->pairs = arena_array(&index->arena, IndexPair, pair_count);
    for (uint32_t set = 0; set < part->set_count; set++) {
        uint64_t before = 0; /* symbol 0 is "", which is no label's name */
        for (uint32_t i = part->firsts[set]; i < part->firsts[set + 1]; i++) {
            uint64_t name = reader_varint(section);
            if (name <= before || name >= index->symbol_count) {
                return corrupt(err, "label names make no sense");
            }
            part->pairs[i].name = (uint32_t)name;
            before = name;
        }
    }
    for (size_t i = 0; i < pair_count; i++) {
        uint32_t *before = &values_before[part->pairs[i].name];
        int64_t step = unzigzag(reader_varint(section));
        if (step < -(int64_t)*before || step >= (int64_t)index->symbol_count - *before) {
            return corrupt(err, "label values make no sense");
        }
        *before = (uint32_t)(*before + step);
        part->pairs[i].value = *before;
    }
    return !section->bad || corrupt(err, "labels break off");
}

static bool open_part(Index *index, Part *part, uint32_t *values_before, ByteReader *section,
                      Err *err) {
    part->firsts = arena_array(&index->arena, uint32_t, part->set_count + 1);
    uint64_t pair_count = 0;
    for (uint32_t i = 0; i < part->set_count; i++) {
        uint64_t labels = reader_varint(section);
        if (labels > LABELS_MAX) {
            return corrupt(err, "series has too many labels");
        }
        pair_count += labels;
        part->firsts[i + 1] = (uint32_t)pair_count;
    }
    if (section->bad || pair_count > reader_left(section)) {
        return corrupt(err, "label sets break off");
    }
    return open_pairs(index, part, values_before, section, err);
}

static bool open_ids(Index *index, Part *part, ByteReader *section, Err *err) {
    part->ids = arena_array(&index->arena, uint32_t, index->series_count);
    int64_t id = 0;
    for (uint32_t i = 0; i < index->series_count; i++) {
        int64_t step = unzigzag(reader_varint(section));
        if (step < -id || step >= (int64_t)part->set_count - id) {
            return corrupt(err, "series refers to no labels");
        }
        id += step;
        part->ids[i] = (uint32_t)id;
    }
    bool complete = !section->bad && reader_left(section) == 0;
    return complete || corrupt(err, "series have a wrong length");
}

/* Counts are bounded by the bytes that hold them before anything is allocated. */
static bool open_counts(Index *index, ByteReader *reader, Err *err) {
    uint64_t counts[3 + INDEX_PARTS];
    for (size_t i = 0; i < 3 + INDEX_PARTS; i++) {
        counts[i] = reader_varint(reader);
        if (counts[i] > SERIES_MAX) {
            return corrupt(err, "has an impossible number of series");
        }
    }
    index->symbol_count = (uint32_t)counts[0];
    index->series_count = (uint32_t)counts[1];
    index->run_count = (uint32_t)counts[2];
    for (size_t i = 0; i < INDEX_PARTS; i++) {
        index->parts[i].set_count = (uint32_t)counts[3 + i];
    }
    return (!reader->bad && index->symbol_count > 0) || corrupt(err, "breaks off");
}

static bool counts_fit(const Index *index, const ByteReader sections[INDEX_SECTIONS], Err *err) {
    uint64_t sets = 0;
    bool fit = index->symbol_count <= reader_left(&sections[INDEX_SYMBOLS]) &&
               index->run_count <= reader_left(&sections[INDEX_NAMES]);
    for (int i = 0; i < INDEX_PARTS; i++) {
        sets += index->parts[i].set_count;
        fit = fit && index->series_count <= reader_left(&sections[INDEX_TARGETS + i]);
    }
    fit = fit && sets <= reader_left(&sections[INDEX_SETS]);
    return fit || corrupt(err, "has fewer bytes than series");
}

static uint32_t most_labels(const Part *part) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < part->set_count; i++) {
        uint32_t count = part->firsts[i + 1] - part->firsts[i];
        most = count > most ? count : most;
    }
    return most;
}

/* Whoever takes labels apart relies on LABELS_MAX. */
static bool labels_bounded(const Index *index, Err *err) {
    uint32_t most = 1;
    for (int i = 0; i < INDEX_PARTS; i++) {
        most += most_labels(&index->parts[i]);
    }
    for (uint32_t ordinal = 0; most > LABELS_MAX && ordinal < index->series_count; ordinal++) {
        uint32_t count = 1;
        for (int i = 0; i < INDEX_PARTS; i++) {
            const Part *part = &index->parts[i];
            uint32_t set = part->ids[ordinal];
            count += part->firsts[set + 1] - part->firsts[set];
        }
        if (count > LABELS_MAX) {
            return corrupt(err, "series has too many labels");
        }
    }
    return true;
}

bool index_open(Str bytes, Index **ret_index, Err *err) {
    AUTO(index_freep) Index *index = mem_zero(1, sizeof *index);
    AUTO(arena_finish) Arena scratch = {0};
    ByteReader reader = reader_of(bytes), sections[INDEX_SECTIONS];
    if (!open_counts(index, &reader, err) || !open_sections(&scratch, &reader, sections, err) ||
        !counts_fit(index, sections, err) || !open_symbols(index, &sections[INDEX_SYMBOLS], err) ||
        !open_names(index, &sections[INDEX_NAMES], err)) {
        return false;
    }
    uint32_t *values_before = arena_array(&scratch, uint32_t, index->symbol_count);
    for (int i = 0; i < INDEX_PARTS; i++) {
        if (!open_part(index, &index->parts[i], values_before, &sections[INDEX_SETS], err) ||
            !open_ids(index, &index->parts[i], &sections[INDEX_TARGETS + i], err)) {
            return false;
        }
    }
    if (reader_left(&sections[INDEX_SETS])) {
        return corrupt(err, "label sets have bytes left over");
    }
    if (!labels_bounded(index, err)) {
        return false;
    }
    *ret_index = TAKE(index);
    return true;
}

void index_free(Index *index) {
    if (index) {
        arena_finish(&index->arena);
        free(index);
    }
}

size_t index_count(const Index *index) {
    return index->series_count;
}

size_t index_memory_bytes(const Index *index) {
    return sizeof *index + index->arena.used_bytes;
}

/* ---- labels ---- */

/* Which run of names a series is in. */
static uint32_t run_of(const Index *index, uint32_t ordinal) {
    uint32_t low = 0, high = index->run_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (index->runs[middle].first <= ordinal) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

LabelSet index_labels(const Index *index, uint32_t ordinal, Arena *arena) {
    assert(ordinal < index->series_count);
    const Str *symbols = index->symbols;
    Label room[LABELS_MAX * PART_COUNT];
    LabelSet parts[PART_COUNT];
    size_t count = 0;
    Str name = symbols[index->runs[run_of(index, ordinal)].symbol];
    if (name.len) {
        room[count++] = (Label){LABEL_METRIC_NAME, name};
    }
    parts[PART_NAME] = (LabelSet){room, count};
    for (int i = 0; i < INDEX_PARTS; i++) {
        const Part *part = &index->parts[i];
        uint32_t set = part->ids[ordinal];
        size_t first = count;
        for (uint32_t j = part->firsts[set]; j < part->firsts[set + 1]; j++) {
            room[count++] = (Label){symbols[part->pairs[j].name], symbols[part->pairs[j].value]};
        }
        parts[PART_TARGET + i] = (LabelSet){room + first, count - first};
    }
    return parts_join(parts, arena_raw(arena, (count + 1) * sizeof(Label)));
}

/* ---- selecting ---- */

enum { ANSWER_UNKNOWN, ANSWER_YES, ANSWER_NO };

/* A matcher of a selection, with what it says to texts met before. */
typedef struct Question {
    const Matcher *matcher;
    uint32_t name;      /* symbol; 0 if no series has the label */
    uint8_t *by_symbol; /* answer for each value; NULL for the metric name */
} Question;

typedef struct Questions {
    Question items[LABELS_MAX];
    size_t count;
    uint8_t *by_set; /* answer for each distinct set of the part */
} Questions;

static uint32_t find_symbol(const Index *index, Str text) {
    uint32_t low = 0, high = index->symbol_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = str_cmp(index->symbols[middle], text);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return 0;
}

static uint8_t answer(bool yes) {
    return yes ? ANSWER_YES : ANSWER_NO;
}

static bool question_accepts(const Index *index, const Question *question, uint32_t value) {
    uint8_t *known = &question->by_symbol[value];
    if (*known == ANSWER_UNKNOWN) {
        *known = answer(matcher_matches(question->matcher, index->symbols[value]));
    }
    return *known == ANSWER_YES;
}

static bool set_accepted(const Index *index, const Questions *questions, const Part *part,
                         uint32_t set) {
    uint8_t *known = &questions->by_set[set];
    if (*known != ANSWER_UNKNOWN) {
        return *known == ANSWER_YES;
    }
    bool yes = true;
    for (size_t i = 0; yes && i < questions->count; i++) {
        const Question *question = &questions->items[i];
        uint32_t value = 0; /* an absent label reads as "" */
        for (uint32_t j = part->firsts[set]; j < part->firsts[set + 1]; j++) {
            if (part->pairs[j].name == question->name) {
                value = part->pairs[j].value;
            }
        }
        yes = question_accepts(index, question, value);
    }
    *known = answer(yes);
    return yes;
}

static bool name_accepted(const Index *index, const Questions *questions, uint32_t symbol) {
    for (size_t i = 0; i < questions->count; i++) {
        if (!matcher_matches(questions->items[i].matcher, index->symbols[symbol])) {
            return false;
        }
    }
    return true;
}

/* Sorts the matchers by the part they ask. False if one cannot be answered by anything in this
 * block. */
static bool ask(const Index *index, const MatcherSet *set, Arena *arena,
                Questions questions[PART_COUNT]) {
    for (size_t i = 0; i < set->count; i++) {
        const Matcher *matcher = &set->items[i];
        LabelPart part = label_part(matcher->name);
        Questions *of_part = &questions[part];
        Question question = {.matcher = matcher};
        if (part != PART_NAME) {
            question.name = find_symbol(index, matcher->name);
            question.by_symbol = arena_alloc(arena, index->symbol_count);
        }
        if (matcher->type == MATCH_EQ && matcher->value.len &&
            find_symbol(index, matcher->value) == 0) {
            return false;
        }
        assert(of_part->count < LABELS_MAX);
        of_part->items[of_part->count++] = question;
    }
    for (int i = 0; i < INDEX_PARTS; i++) {
        questions[PART_TARGET + i].by_set = arena_alloc(arena, index->parts[i].set_count);
    }
    return true;
}

/* The runs of names that can match: one for an equality, all otherwise. */
static void candidate_runs(const Index *index, const Questions *names, uint32_t *ret_first,
                           uint32_t *ret_end) {
    *ret_first = 0;
    *ret_end = index->run_count;
    for (size_t i = 0; i < names->count; i++) {
        const Matcher *matcher = names->items[i].matcher;
        if (matcher->type != MATCH_EQ) {
            continue;
        }
        uint32_t low = 0, high = index->run_count;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (str_cmp(index->symbols[index->runs[middle].symbol], matcher->value) < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        *ret_first = low;
        *ret_end = low < index->run_count ? low + 1 : low;
        return;
    }
}

typedef struct Ordinals {
    uint32_t *items;
    size_t items_count, items_cap;
} Ordinals;

static void ordinals_finish(Ordinals *ordinals) {
    free(ordinals->items);
}

static void select_run(const Index *index, const Questions *questions, uint32_t first, uint32_t end,
                       Ordinals *found) {
    for (uint32_t ordinal = first; ordinal < end; ordinal++) {
        bool yes = true;
        for (int i = 0; yes && i < INDEX_PARTS; i++) {
            const Questions *of_part = &questions[PART_TARGET + i];
            yes = of_part->count == 0 ||
                  set_accepted(index, of_part, &index->parts[i], index->parts[i].ids[ordinal]);
        }
        if (yes) {
            VEC_PUSH(*found, items, ordinal);
        }
    }
}

static void select_set(const Index *index, const MatcherSet *set, Arena *scratch, Ordinals *found) {
    Questions *questions = arena_array(scratch, Questions, PART_COUNT);
    if (!ask(index, set, scratch, questions)) {
        return;
    }
    uint32_t first, end;
    candidate_runs(index, &questions[PART_NAME], &first, &end);
    for (uint32_t run = first; run < end; run++) {
        if (name_accepted(index, &questions[PART_NAME], index->runs[run].symbol)) {
            select_run(index, questions, index->runs[run].first, index->runs[run + 1].first, found);
        }
    }
}

static int ordinal_cmp(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void index_select(const Index *index, const MatcherSet *sets, size_t set_count, Arena *arena,
                  uint32_t **ret_ordinals, size_t *ret_count) {
    AUTO(ordinals_finish) Ordinals found = {0};
    AUTO(arena_finish) Arena scratch = {0};
    static const MatcherSet everything = {0};
    for (size_t i = 0; i < set_count; i++) {
        select_set(index, &sets[i], &scratch, &found);
    }
    if (set_count == 0) {
        select_set(index, &everything, &scratch, &found);
    }
    size_t count = found.items_count;
    if (set_count > 1) {
        if (count) {
            qsort(found.items, count, sizeof *found.items, ordinal_cmp);
        }
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            if (i == 0 || found.items[i] != found.items[i - 1]) {
                found.items[kept++] = found.items[i];
            }
        }
        count = kept;
    }
    *ret_ordinals = arena_raw(arena, count * sizeof **ret_ordinals + 1);
    if (count) {
        memcpy(*ret_ordinals, found.items, count * sizeof **ret_ordinals);
    }
    *ret_count = count;
}

/* ---- names and values ---- */

/* One mark for each distinct set of the part that the series use. */
static uint8_t *mark_sets(const Index *index, const Part *part, const uint32_t *ordinals,
                          size_t count, Arena *scratch) {
    uint8_t *used = arena_alloc(scratch, part->set_count + 1);
    if (!ordinals) {
        memset(used, 1, part->set_count);
        return used;
    }
    for (size_t i = 0; i < count; i++) {
        assert(ordinals[i] < index->series_count);
        used[part->ids[ordinals[i]]] = 1;
    }
    return used;
}

/* Marks the symbols of the metric names of the series. */
static void mark_metric_names(const Index *index, const uint32_t *ordinals, size_t count,
                              uint8_t *marks) {
    if (!ordinals) {
        for (uint32_t i = 0; i < index->run_count; i++) {
            marks[index->runs[i].symbol] = 1;
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        marks[index->runs[run_of(index, ordinals[i])].symbol] = 1;
    }
}

/* The marked symbols but "", in order. `more` is one further text to put in, or empty. */
static void collect(const Index *index, const uint8_t *marks, Str more, Arena *arena,
                    Str **ret_texts, size_t *ret_count) {
    size_t count = more.len != 0;
    for (uint32_t i = 1; i < index->symbol_count; i++) {
        count += marks[i];
    }
    Str *texts = arena_array(arena, Str, count + 1);
    size_t at = 0;
    for (uint32_t i = 1; i < index->symbol_count; i++) {
        if (!marks[i]) {
            continue;
        }
        if (more.len && str_cmp(more, index->symbols[i]) < 0) {
            texts[at++] = more;
            more = STR("");
        }
        texts[at++] = index->symbols[i];
    }
    if (more.len) {
        texts[at++] = more;
    }
    *ret_texts = texts;
    *ret_count = at;
}

void index_label_names(const Index *index, const uint32_t *ordinals, size_t count, Arena *arena,
                       Str **ret_names, size_t *ret_count) {
    AUTO(arena_finish) Arena scratch = {0};
    uint8_t *marks = arena_alloc(&scratch, index->symbol_count);
    mark_metric_names(index, ordinals, count, marks);
    bool named = false;
    for (uint32_t i = 1; i < index->symbol_count; i++) {
        named = named || marks[i];
    }
    memset(marks, 0, index->symbol_count);
    for (int i = 0; i < INDEX_PARTS; i++) {
        const Part *part = &index->parts[i];
        const uint8_t *used = mark_sets(index, part, ordinals, count, &scratch);
        for (uint32_t set = 0; set < part->set_count; set++) {
            for (uint32_t j = part->firsts[set]; used[set] && j < part->firsts[set + 1]; j++) {
                marks[part->pairs[j].name] = 1;
            }
        }
    }
    collect(index, marks, named ? LABEL_METRIC_NAME : STR(""), arena, ret_names, ret_count);
}

void index_label_values(const Index *index, Str name, const uint32_t *ordinals, size_t count,
                        Arena *arena, Str **ret_values, size_t *ret_count) {
    AUTO(arena_finish) Arena scratch = {0};
    uint8_t *marks = arena_alloc(&scratch, index->symbol_count);
    LabelPart which = label_part(name);
    uint32_t symbol = find_symbol(index, name);
    if (which == PART_NAME) {
        mark_metric_names(index, ordinals, count, marks);
    } else if (symbol) {
        const Part *part = &index->parts[which - PART_TARGET];
        const uint8_t *used = mark_sets(index, part, ordinals, count, &scratch);
        for (uint32_t set = 0; set < part->set_count; set++) {
            for (uint32_t j = part->firsts[set]; used[set] && j < part->firsts[set + 1]; j++) {
                if (part->pairs[j].name == symbol) {
                    marks[part->pairs[j].value] = 1;
                }
            }
        }
    }
    collect(index, marks, STR(""), arena, ret_values, ret_count);
}
