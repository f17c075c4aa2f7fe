/* Reads Avro datums of one schema into columns, in one pass and with every length known.
 *
 * What it is given is a plan of the schema (`connector/avro/native.py` makes it): which fields there are, in the order
 * of the bytes, and which of them become columns. All other fields are read too, as nothing else tells where they end.
 * It never decides what a damaged datum means: at the first byte that it is not sure of it gives up, and the reference
 * decoder reads instead. Logical types, ranges and UTF-8 are looked at by whoever called, in columns.
 *
 * No pointer leaves a datum: each read is held to the bytes that are left of it. The GIL is not held.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdio.h>

#include "../_arrow.h"

#define EXPORT __attribute__((visibility("default")))
#define PLAN "target-connector plan"

/* The plan: a tree of the types. */

enum op { NOTHING, BOOLEAN, LONG, FLOAT, DOUBLE, BYTES, FIXED, DECIMAL, RECORD, UNION, ARRAY, OPS };

struct node {
    enum op op;
    int32_t column;        /* a value that is wanted; -1 for another one */
    int32_t size;          /* FIXED, DECIMAL: of the value; -1 where the value tells */
    int32_t first, end;    /* the columns inside */
    int32_t count;         /* RECORD, UNION, ARRAY: how many there are of these */
    struct node *children; /* one after the other, each followed by those inside of it elsewhere */
};

struct plan {
    struct node root;
    int32_t columns;
    enum op *ops;
    char (*formats)[LABEL];
};

static void free_node(struct node *node) {
    for (int32_t i = 0; node->children && i < node->count; i++)
        free_node(&node->children[i]);
    free(node->children);
}

static void free_plan(struct plan *plan) {
    free_node(&plan->root);
    free(plan->ops), free(plan->formats), free(plan);
}

/* The numbers of a node are op, wanted, size, precision, scale, count; then come those of its children. Python's walks of
 * a schema end at some hundreds of levels, and some hundred bytes of the stack are taken for each here. */
enum { NUMBERS = 6, DEPTH = 1000 };

static int grow(struct node *node, struct plan *plan, const int32_t **at, const int32_t *end, int depth) {
    if (!depth || end - *at < NUMBERS)
        return 0;
    const int32_t *told = *at;
    *at += NUMBERS;
    if (told[0] < 0 || told[0] >= OPS || told[5] < 0 || told[5] > end - *at)
        return 0;
    *node = (struct node){.op = (enum op)told[0], .column = -1, .size = told[2], .first = plan->columns};
    if ((node->op == FIXED && node->size < 0) || (node->op < RECORD && told[5]))
        return 0;
    if (told[1] && node->op > NOTHING && node->op < RECORD) {
        node->column = plan->columns++;
        static const char *const formats[] = {NULL, "b", "l", "f", "g", "vz", "vz"};
        plan->ops[node->column] = node->op;
        if (node->op == DECIMAL)
            snprintf(plan->formats[node->column], LABEL, "d:%d,%d", (int)told[3], (int)told[4]);
        else
            strcpy(plan->formats[node->column], formats[node->op]);
    }
    if (told[5]) {
        node->children = calloc((size_t)told[5], sizeof *node->children);
        if (!node->children)
            return 0;
        node->count = told[5];
        for (int32_t i = 0; i < node->count; i++)
            if (!grow(&node->children[i], plan, at, end, depth - 1))
                return 0;
    }
    node->end = plan->columns;
    /* Of an array, a row would have any number of values, or none. */
    return node->op != ARRAY || (node->count == 1 && node->children[0].op != NOTHING && node->first == node->end);
}

/* The columns of what is read, which live until the frame made of them is gone. */

struct column {
    uint8_t *valid; /* a bit for each row */
    union { /* NULL until there is a value, as a byte may say that a record of a thousand fields is null */
        void *values;
        uint8_t *bits;
        int64_t *longs;
        float *floats;
        double *doubles;
        struct view *views;
        __int128 *decimals;
    };
    int64_t nulls;
};

struct batch {
    int64_t rows, room; /* as many as were read, as there is room for */
    struct column *columns;
    void *zeros;   /* the values of columns without one */
    uint8_t *data; /* of all views: no byte of a datum is in two columns */
    int64_t size;
    int32_t count;
    const void *none[1];
    const void *(*buffers)[4];
    struct ArrowArray *arrays, **pointers;
};

static void free_batch(struct batch *batch) {
    for (int32_t i = 0; batch->columns && i < batch->count; i++)
        free(batch->columns[i].valid), free(batch->columns[i].values);
    free(batch->columns), free(batch->zeros), free(batch->data);
    free(batch->buffers), free(batch->arrays), free(batch->pointers);
    free(batch);
}

static size_t width(enum op op) {
    static const size_t widths[OPS] = {[BOOLEAN] = 1, /* a bit would do */
                                       [LONG] = 8,
                                       [FLOAT] = 4,
                                       [DOUBLE] = 8,
                                       [BYTES] = sizeof(struct view),
                                       [FIXED] = sizeof(struct view),
                                       [DECIMAL] = sizeof(__int128)};
    return widths[op];
}

enum { WIDEST = sizeof(__int128) };

/* Zeros, so that nothing has to be written where a row is null. */
static int allot(struct column *column, const struct batch *batch, enum op op) {
    column->values = calloc((size_t)batch->room + 1, width(op));
    return column->values != NULL;
}

static struct batch *new_batch(const struct plan *plan, int64_t rows, int64_t bytes) {
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    size_t count = (size_t)plan->columns, bits = (size_t)rows / 8 + 1;
    batch->count = plan->columns, batch->room = rows;
    batch->columns = calloc(count + 1, sizeof *batch->columns);
    batch->buffers = calloc(count + 1, sizeof *batch->buffers);
    batch->arrays = calloc(count + 1, sizeof *batch->arrays);
    batch->pointers = calloc(count + 1, sizeof *batch->pointers);
    batch->data = malloc((size_t)bytes + 1);
    batch->zeros = calloc((size_t)rows + 1, WIDEST);
    int whole =
        batch->columns && batch->buffers && batch->arrays && batch->pointers && batch->data && batch->zeros;
    for (size_t i = 0; whole && i < count; i++) {
        struct column *column = &batch->columns[i];
        column->valid = malloc(bits);
        if ((whole = column->valid != NULL))
            memset(column->valid, 0xFF, bits);
    }
    if (whole)
        return batch;
    free_batch(batch);
    return NULL;
}

/* Reading. Whatever returns an int gives 0 where the datum is not what the plan says. */

struct cursor {
    const uint8_t *at, *end;
};

static inline int take_long(struct cursor *cursor, int64_t *value) {
    uint64_t number = 0;
    for (int shift = 0; shift < 64 && cursor->at < cursor->end; shift += 7) {
        uint64_t byte = *cursor->at++;
        if (shift == 63 && byte > 1)
            return 0;
        number |= (byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value = (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
            return 1;
        }
    }
    return 0;
}

static inline int take_bytes(struct cursor *cursor, int64_t size, const uint8_t **bytes) {
    if (size < 0 || size > cursor->end - cursor->at)
        return 0;
    *bytes = cursor->at;
    cursor->at += size;
    return 1;
}

static inline int take_sized(struct cursor *cursor, int32_t size, const uint8_t **bytes, int64_t *taken) {
    *taken = size;
    return (size >= 0 || (take_long(cursor, taken))) && take_bytes(cursor, *taken, bytes);
}

static void put_view(struct batch *batch, struct view *view, const uint8_t *bytes, int64_t size) {
    *view = (struct view){.size = (int32_t)size};
    if (size <= VIEW_ROOM) {
        memcpy(view->here, bytes, (size_t)size);
        return;
    }
    memcpy(view->prefix, bytes, sizeof view->prefix);
    view->offset = (int32_t)batch->size;
    memcpy(batch->data + batch->size, bytes, (size_t)size);
    batch->size += size;
}

/* A whole number, the highest byte first, that fits into 16 bytes; none are zero. */
static int put_decimal(__int128 *value, const uint8_t *bytes, int64_t size) {
    uint8_t sign = size && bytes[0] & 0x80 ? 0xFF : 0;
    unsigned __int128 number = sign ? ~(unsigned __int128)0 : 0;
    for (int64_t i = 0; i < size; i++) {
        if (i < size - (int64_t)sizeof number && (bytes[i] != sign || (bytes[i + 1] ^ sign) & 0x80))
            return 0;
        number = number << 8 | bytes[i];
    }
    memcpy(value, &number, sizeof number);
    return 1;
}

static void put_nulls(struct batch *batch, int32_t first, int32_t end) {
    int64_t row = batch->rows;
    for (int32_t i = first; i < end; i++) {
        struct column *column = &batch->columns[i];
        column->valid[row / 8] &= (uint8_t)~(1 << row % 8);
        column->nulls++;
    }
}

static int take(struct batch *batch, const struct plan *plan, const struct node *node, struct cursor *cursor);

static int take_union(struct batch *batch, const struct plan *plan, const struct node *node, struct cursor *cursor) {
    int64_t index;
    if (!take_long(cursor, &index) || index < 0 || index >= node->count)
        return 0;
    const struct node *branch = &node->children[index];
    put_nulls(batch, node->first, branch->first);
    put_nulls(batch, branch->end, node->end);
    return take(batch, plan, branch, cursor);
}

static int take_array(struct batch *batch, const struct plan *plan, const struct node *node, struct cursor *cursor) {
    for (;;) {
        int64_t count, size;
        if (!take_long(cursor, &count) || count == INT64_MIN)
            return 0;
        if (!count)
            return 1;
        if (count < 0) {
            count = -count;
            if (!take_long(cursor, &size))
                return 0;
        }
        if (count > cursor->end - cursor->at) /* each takes a byte at least */
            return 0;
        for (; count; count--)
            if (!take(batch, plan, &node->children[0], cursor))
                return 0;
    }
}

static int take(struct batch *batch, const struct plan *plan, const struct node *node, struct cursor *cursor) {
    int64_t row = batch->rows, number, size;
    const uint8_t *bytes;
    struct column *column = node->column < 0 ? NULL : &batch->columns[node->column];
    if (column && !column->values && !allot(column, batch, node->op))
        return 0;
    switch (node->op) {
    case NOTHING:
        return 1;
    case BOOLEAN:
        if (!take_bytes(cursor, 1, &bytes) || *bytes > 1)
            return 0;
        if (column)
            column->bits[row / 8] |= (uint8_t)(*bytes << row % 8);
        return 1;
    case LONG:
        if (!take_long(cursor, &number))
            return 0;
        if (column)
            column->longs[row] = number;
        return 1;
    case FLOAT:
        if (!take_bytes(cursor, sizeof(float), &bytes))
            return 0;
        if (column)
            memcpy(&column->floats[row], bytes, sizeof(float)); /* Avro's order is that of the machine */
        return 1;
    case DOUBLE:
        if (!take_bytes(cursor, sizeof(double), &bytes))
            return 0;
        if (column)
            memcpy(&column->doubles[row], bytes, sizeof(double));
        return 1;
    case BYTES:
    case FIXED:
        if (!take_sized(cursor, node->op == FIXED ? node->size : -1, &bytes, &size))
            return 0;
        if (column)
            put_view(batch, &column->views[row], bytes, size);
        return 1;
    case DECIMAL:
        return take_sized(cursor, node->size, &bytes, &size) &&
               (!column || put_decimal(&column->decimals[row], bytes, size));
    case RECORD:
        for (int32_t i = 0; i < node->count; i++)
            if (!take(batch, plan, &node->children[i], cursor))
                return 0;
        return 1;
    case UNION:
        return take_union(batch, plan, node, cursor);
    case ARRAY:
        return take_array(batch, plan, node, cursor);
    default:
        return 0;
    }
}

/* Reads all datums of an array of views; the batch has room for them. */
static int read_array(struct batch *batch, const struct plan *plan, const struct ArrowArray *datums) {
    const struct view *views = datums->buffers[1];
    for (int64_t i = datums->offset; i < datums->offset + datums->length; i++) {
        if (!is_valid(datums->buffers[0], i))
            return 0;
        const uint8_t *bytes = view_bytes(&views[i], datums->buffers + 2);
        struct cursor cursor = {bytes, bytes + views[i].size};
        if (!take(batch, plan, &plan->root, &cursor) || cursor.at != cursor.end)
            return 0;
        batch->rows++;
    }
    return 1;
}

static int64_t bytes_of(const struct arrays *datums) {
    int64_t bytes = 0;
    for (int64_t i = 0; i < datums->count; i++) {
        const struct ArrowArray *array = &datums->each[i];
        const struct view *views = array->buffers[1];
        for (int64_t row = array->offset; row < array->offset + array->length; row++)
            if (is_valid(array->buffers[0], row)) /* or its size may be anything */
                bytes += views[row].size;
    }
    return bytes;
}

static int read_all(struct batch *batch, const struct plan *plan, const struct arrays *datums) {
    for (int64_t i = 0; i < datums->count; i++)
        if (!read_array(batch, plan, &datums->each[i]))
            return 0;
    return 1;
}

/* What Polars takes. */

static void release_batch(struct ArrowArray *array) {
    release_columns(array);
    free_batch(array->private_data);
    array->release = NULL;
}

/* Takes the batch over, whatever comes. */
static PyObject *new_array(struct batch *batch, const struct plan *plan) {
    for (int32_t i = 0; i < batch->count; i++) {
        struct column *column = &batch->columns[i];
        const void **buffers = batch->buffers[i];
        int views = plan->ops[i] == BYTES || plan->ops[i] == FIXED;
        buffers[0] = column->nulls ? column->valid : NULL;
        buffers[1] = column->values ? column->values : batch->zeros;
        buffers[2] = batch->data;
        buffers[3] = &batch->size; /* the sizes of the buffers of views */
        batch->arrays[i] = (struct ArrowArray){.length = batch->rows,
                                               .null_count = column->nulls,
                                               .n_buffers = views ? 4 : 2,
                                               .buffers = buffers,
                                               .release = release_column};
        batch->pointers[i] = &batch->arrays[i];
    }
    return array_capsule((struct ArrowArray){.length = batch->rows,
                                             .n_buffers = 1,
                                             .n_children = batch->count,
                                             .buffers = batch->none,
                                             .children = batch->pointers,
                                             .release = release_batch,
                                             .private_data = batch});
}

static PyObject *new_schema(const struct plan *plan) {
    size_t count = (size_t)plan->columns;
    struct field *fields = new_fields(count);
    if (!fields)
        return PyErr_NoMemory();
    for (size_t i = 0; i < count; i++) {
        memcpy(fields[i].format, plan->formats[i], LABEL);
        snprintf(fields[i].name, LABEL, "%d", (int)i); /* a column is called by its number */
    }
    return frame_schema(fields, count);
}

/* The module. */

static void free_plan_of(PyObject *capsule) { free_plan(PyCapsule_GetPointer(capsule, PLAN)); }

PyDoc_STRVAR(plan_doc, "plan(numbers): a plan of int32 numbers, six for each node; ValueError if they make none");
static PyObject *py_plan(PyObject *module, PyObject *argument) {
    (void)module;
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(argument, &bytes, &size))
        return NULL;
    size_t count = (size_t)size / sizeof(int32_t);
    int32_t *numbers = malloc(count * sizeof *numbers + 1);
    struct plan *plan = calloc(1, sizeof *plan);
    if (plan) {
        plan->ops = calloc(count / NUMBERS + 1, sizeof *plan->ops);
        plan->formats = calloc(count / NUMBERS + 1, sizeof *plan->formats);
    }
    if (!numbers || !plan || !plan->ops || !plan->formats) {
        free(numbers);
        if (plan)
            free_plan(plan);
        return PyErr_NoMemory();
    }
    memcpy(numbers, bytes, count * sizeof *numbers);
    const int32_t *at = numbers;
    int whole = grow(&plan->root, plan, &at, numbers + count, DEPTH) && at == numbers + count;
    free(numbers);
    if (!whole) {
        free_plan(plan);
        PyErr_SetString(PyExc_ValueError, "no plan");
        return NULL;
    }
    PyObject *capsule = PyCapsule_New(plan, PLAN, free_plan_of);
    if (!capsule)
        free_plan(plan);
    return capsule;
}

static int is_views(struct ArrowArrayStream *stream) {
    struct ArrowSchema schema = {0};
    if (!stream->release || stream->get_schema(stream, &schema)) /* somebody has taken it over */
        return 0;
    int views = !strcmp(schema.format, "vz");
    schema.release(&schema);
    return views;
}

PyDoc_STRVAR(read_doc, "read(plan, stream): the columns of all datums as Arrow's capsules of a schema and an array;\n"
                       "None where a datum is not surely readable. The stream is of binary views without null.");
static PyObject *py_read(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *of_plan, *of_stream;
    if (!PyArg_ParseTuple(arguments, "OO", &of_plan, &of_stream))
        return NULL;
    const struct plan *plan = PyCapsule_GetPointer(of_plan, PLAN);
    struct ArrowArrayStream *stream = plan ? PyCapsule_GetPointer(of_stream, "arrow_array_stream") : NULL;
    if (!stream)
        return NULL;
    if (!is_views(stream)) {
        PyErr_SetString(PyExc_TypeError, "not a stream of binary views");
        return NULL;
    }
    struct arrays datums = {0};
    struct batch *batch = NULL;
    int taken, whole = 0;
    Py_BEGIN_ALLOW_THREADS;
    taken = take_all(stream, &datums);
    int64_t bytes = taken ? bytes_of(&datums) : 0;
    taken = taken && bytes <= INT32_MAX && (batch = new_batch(plan, datums.rows, bytes));
    whole = taken && read_all(batch, plan, &datums);
    release_all(&datums);
    Py_END_ALLOW_THREADS;
    if (!whole) {
        if (batch)
            free_batch(batch);
        if (!taken)
            return PyErr_NoMemory();
        Py_RETURN_NONE;
    }
    PyObject *array = new_array(batch, plan);
    return pair(array ? new_schema(plan) : NULL, array);
}

static PyMethodDef functions[] = {
    {"plan", py_plan, METH_O, plan_doc}, {"read", py_read, METH_VARARGS, read_doc}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_datums", .m_doc = "Avro datums to columns, in C.", .m_methods = functions};

EXPORT PyObject *PyInit__datums(void) { return PyModuleDef_Init(&definition); }
