/* Percent-encodes the cells of rows and joins them, in one pass, and joins encoded rows to the piece of a body: what
 * `encoding.py` and `batchfile.py` do with Polars, without it.
 *
 * RFC 3986's unreserved characters stay, every other byte becomes %XX. As each byte is on its own, what it costs does not
 * depend on which characters there are. The GIL is not held.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "../_arrow.h"

#define EXPORT __attribute__((visibility("default")))

/* What each byte becomes; four are written whatever it is, and the next one overwrites what is too many. */
enum { WRITTEN = 4, LONGEST = 3 };
static struct {
    char text[WRITTEN];
    uint32_t size;
} codes[256];

static void make_codes(void) {
    static const char digits[] = "0123456789ABCDEF";
    for (int byte = 0; byte < 256; byte++) {
        int letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
        if (byte && (letter || strchr("-._~", byte))) {
            codes[byte].text[0] = (char)byte;
            codes[byte].size = 1;
        } else {
            memcpy(codes[byte].text, (char[]){'%', digits[byte >> 4], digits[byte & 15], 0}, WRITTEN);
            codes[byte].size = LONGEST;
        }
    }
}

/* A column of text, which lives until the series made of it is gone. */

struct lines {
    int64_t rows, size, room;
    int64_t *ends; /* one more than rows, the first is 0 */
    char *text;
    const void *buffers[3];
};

static void free_lines(struct lines *lines) {
    free(lines->ends), free(lines->text);
    free(lines);
}

static struct lines *new_lines(int64_t rows) {
    struct lines *lines = calloc(1, sizeof *lines);
    if (lines && (lines->ends = malloc(((size_t)rows + 1) * sizeof *lines->ends))) {
        lines->ends[0] = 0;
        return lines;
    }
    free(lines);
    return NULL;
}

static int reserve(struct lines *lines, int64_t more) {
    if (lines->size + more <= lines->room)
        return 1;
    int64_t room = lines->size * 2 + more;
    char *text = realloc(lines->text, (size_t)room);
    if (!text)
        return 0;
    lines->text = text, lines->room = room;
    return 1;
}

/* A column of cells, from the first row of its array on. */
struct cells {
    const uint8_t *valid;
    int64_t first; /* bit of `valid` */
    const struct view *views;
    const void *const *data;
};

/* A cell, or an empty one where it is null: what stands below a null may be anything, as the value that was there. */
static inline const struct view *cell(const struct cells *column, int64_t row) {
    static const struct view empty;
    return is_valid(column->valid, column->first + row) ? &column->views[row] : &empty;
}

static inline char *put_cell(char *out, const struct view *view, const void *const *data) {
    const uint8_t *byte = view_bytes(view, data), *end = byte + view->size;
    while (byte < end) {
        memcpy(out, codes[*byte].text, WRITTEN);
        out += codes[*byte++].size;
    }
    return out;
}

static int put_lines(struct lines *lines, const struct cells *columns, int64_t count, int64_t rows) {
    for (int64_t row = 0; row < rows; row++) {
        int64_t most = WRITTEN + count;
        for (int64_t i = 0; i < count; i++)
            most += LONGEST * (int64_t)cell(&columns[i], row)->size;
        if (!reserve(lines, most))
            return 0;
        char *out = lines->text + lines->size;
        for (int64_t i = 0; i < count; i++) {
            out = put_cell(out, cell(&columns[i], row), columns[i].data);
            *out++ = ',';
        }
        lines->size = out - lines->text - (count > 0);
        lines->ends[++lines->rows] = lines->size;
    }
    return 1;
}

static struct cells *columns_of(const struct ArrowArray *array) {
    struct cells *columns = calloc((size_t)array->n_children + 1, sizeof *columns);
    for (int64_t i = 0; columns && i < array->n_children; i++) {
        const struct ArrowArray *column = array->children[i];
        int64_t first = array->offset + column->offset;
        columns[i] = (struct cells){.valid = column->buffers[0],
                                    .first = first,
                                    .views = (const struct view *)column->buffers[1] + first,
                                    .data = column->buffers + 2};
    }
    return columns;
}

static int put_array(struct lines *lines, const struct ArrowArray *array) {
    struct cells *columns = columns_of(array);
    int whole = columns && put_lines(lines, columns, array->n_children, array->length);
    free(columns);
    return whole;
}

static struct lines *encode(const struct arrays *arrays) {
    struct lines *lines = new_lines(arrays->rows);
    for (int64_t i = 0; lines && i < arrays->count; i++)
        if (!put_array(lines, &arrays->each[i])) {
            free_lines(lines);
            return NULL;
        }
    if (lines) { /* they stay for as long as the window does */
        char *text = realloc(lines->text, (size_t)lines->size + 1);
        if (text)
            lines->text = text;
    }
    return lines;
}

/* Rows as they are in a body: each begins with a line end. */

/* How many bytes they are; -1 where memory is out. */
static int64_t body_bytes(const struct arrays *arrays) {
    int64_t bytes = 0;
    for (int64_t i = 0; i < arrays->count; i++) {
        const struct ArrowArray *array = &arrays->each[i];
        struct cells *columns = columns_of(array);
        if (!columns)
            return -1;
        bytes += array->length * array->n_children;
        for (int64_t column = 0; column < array->n_children; column++)
            for (int64_t row = 0; row < array->length; row++)
                bytes += cell(&columns[column], row)->size;
        free(columns);
    }
    return bytes;
}

static char *put_body(char *out, const struct cells *columns, int64_t count, int64_t rows) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < count; i++) {
            const struct view *view = cell(&columns[i], row);
            *out++ = i ? ',' : '\n';
            memcpy(out, view_bytes(view, columns[i].data), (size_t)view->size);
            out += view->size;
        }
    return out;
}

static int write_body(char *out, const struct arrays *arrays) {
    for (int64_t i = 0; i < arrays->count; i++) {
        struct cells *columns = columns_of(&arrays->each[i]);
        if (!columns)
            return 0;
        out = put_body(out, columns, arrays->each[i].n_children, arrays->each[i].length);
        free(columns);
    }
    return 1;
}

/* What Polars takes. */

static void release_lines(struct ArrowArray *array) {
    free_lines(array->private_data);
    array->release = NULL;
}

/* Takes the lines over, whatever comes. */
static PyObject *new_capsules(struct lines *lines) {
    lines->buffers[1] = lines->ends;
    lines->buffers[2] = lines->text;
    PyObject *array = array_capsule((struct ArrowArray){.length = lines->rows,
                                                        .n_buffers = 3,
                                                        .buffers = lines->buffers,
                                                        .release = release_lines,
                                                        .private_data = lines});
    struct ArrowSchema schema = {.format = "U", .name = "", .release = release_field};
    return pair(array ? schema_capsule(schema) : NULL, array);
}

static int is_text(struct ArrowArrayStream *stream) {
    struct ArrowSchema schema = {0};
    if (!stream->release || stream->get_schema(stream, &schema)) /* somebody has taken it over */
        return 0;
    int text = !strcmp(schema.format, "+s");
    for (int64_t i = 0; text && i < schema.n_children; i++)
        text = !strcmp(schema.children[i]->format, "vu");
    schema.release(&schema);
    return text;
}

static struct ArrowArrayStream *texts(PyObject *capsule) {
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (stream && !is_text(stream)) {
        PyErr_SetString(PyExc_TypeError, "not a stream of frames of text");
        return NULL;
    }
    return stream;
}

PyDoc_STRVAR(encode_doc, "encode(stream): a line for each row of a frame of text as Arrow's capsules of a schema and an array");
static PyObject *py_encode(PyObject *module, PyObject *capsule) {
    (void)module;
    struct ArrowArrayStream *stream = texts(capsule);
    if (!stream)
        return NULL;
    struct arrays arrays = {0};
    struct lines *lines;
    Py_BEGIN_ALLOW_THREADS;
    lines = take_all(stream, &arrays) ? encode(&arrays) : NULL;
    release_all(&arrays);
    Py_END_ALLOW_THREADS;
    return lines ? new_capsules(lines) : PyErr_NoMemory();
}

PyDoc_STRVAR(body_doc, "body(stream): bytes of the rows of a frame of text as it is, null being empty, a line end before each");
static PyObject *py_body(PyObject *module, PyObject *capsule) {
    (void)module;
    struct ArrowArrayStream *stream = texts(capsule);
    if (!stream)
        return NULL;
    struct arrays arrays = {0};
    int64_t size;
    int whole;
    Py_BEGIN_ALLOW_THREADS;
    size = take_all(stream, &arrays) ? body_bytes(&arrays) : -1;
    Py_END_ALLOW_THREADS;
    PyObject *bytes = size < 0 ? PyErr_NoMemory() : PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    char *out = bytes ? PyBytes_AsString(bytes) : NULL; /* nobody else knows it yet */
    Py_BEGIN_ALLOW_THREADS;
    whole = out && write_body(out, &arrays);
    release_all(&arrays);
    Py_END_ALLOW_THREADS;
    if (bytes && !whole) {
        Py_DECREF(bytes);
        return PyErr_NoMemory();
    }
    return bytes;
}

static PyMethodDef functions[] = {
    {"encode", py_encode, METH_O, encode_doc}, {"body", py_body, METH_O, body_doc}, {NULL, NULL, 0, NULL}};

static int begin(PyObject *module) {
    (void)module;
    make_codes();
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, begin}, {0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                                        .m_name = "_encoding",
                                        .m_doc = "Cells to lines, in C.",
                                        .m_methods = functions,
                                        .m_slots = slots};

EXPORT PyObject *PyInit__encoding(void) { return PyModuleDef_Init(&definition); }
