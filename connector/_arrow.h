/* Apache Arrow's C data and stream interfaces, as far as the extensions use them; the structures are Arrow's own. And the
 * capsules in which Python hands them on. To be included after Python.h.
 *
 * https://arrow.apache.org/docs/format/CDataInterface.html, CStreamInterface.html and CDataInterface/PyCapsuleInterface.html,
 * frozen since Arrow 1.0.
 */
#ifndef CONNECTOR_ARROW_H
#define CONNECTOR_ARROW_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Values are copied as they are in Avro and in headers, and sizes are counted in 64 bits. */
_Static_assert(sizeof(size_t) == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "for machines of 64 bits and the lowest byte first; without the extension the others do all of it too");

struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

enum { ARROW_NULLABLE = 2 };

/* A text or some bytes in a column of views: up to 12 bytes stand in it, longer ones in a buffer. */
struct view {
    int32_t size;
    union {
        uint8_t here[12];
        struct {
            uint8_t prefix[4];
            int32_t buffer, offset;
        };
    };
};

enum { VIEW_ROOM = 12 };

static inline const uint8_t *view_bytes(const struct view *view, const void *const *data) {
    return view->size <= VIEW_ROOM ? view->here : (const uint8_t *)data[view->buffer] + view->offset;
}

static inline int is_valid(const uint8_t *bits, int64_t at) { return !bits || bits[(uint64_t)at / 8] >> (uint64_t)at % 8 & 1; }

/* All arrays that a stream gives, in memory of our own; they are released by `release_all`. */
struct arrays {
    struct ArrowArray *each;
    int64_t count, rows;
};

static inline void release_all(struct arrays *arrays) {
    for (int64_t i = 0; i < arrays->count; i++)
        if (arrays->each[i].release)
            arrays->each[i].release(&arrays->each[i]);
    free(arrays->each);
    *arrays = (struct arrays){0};
}

static inline int take_all(struct ArrowArrayStream *stream, struct arrays *arrays) {
    for (int64_t room = 0;; arrays->rows += arrays->each[arrays->count++].length) {
        if (arrays->count == room) {
            room = room ? room * 2 : 4;
            struct ArrowArray *each = realloc(arrays->each, (size_t)room * sizeof *each);
            if (!each)
                return 0;
            arrays->each = each;
        }
        struct ArrowArray *next = &arrays->each[arrays->count];
        *next = (struct ArrowArray){0};
        if (stream->get_next(stream, next))
            return 0;
        if (!next->release)
            return 1;
    }
}

/* Capsules. What one holds goes with it, unless somebody took it over. */

static inline void free_array(PyObject *capsule) {
    struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    if (array->release)
        array->release(array);
    free(array);
}

static inline void free_schema(PyObject *capsule) {
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema->release)
        schema->release(schema);
    free(schema);
}

/* Takes over what it is given, whatever comes; so do the next two. */
static inline PyObject *array_capsule(struct ArrowArray given) {
    struct ArrowArray *array = malloc(sizeof *array);
    PyObject *capsule = array ? (*array = given, PyCapsule_New(array, "arrow_array", free_array)) : PyErr_NoMemory();
    if (!capsule)
        given.release(&given), free(array);
    return capsule;
}

static inline PyObject *schema_capsule(struct ArrowSchema given) {
    struct ArrowSchema *schema = malloc(sizeof *schema);
    PyObject *capsule = schema ? (*schema = given, PyCapsule_New(schema, "arrow_schema", free_schema)) : PyErr_NoMemory();
    if (!capsule)
        given.release(&given), free(schema);
    return capsule;
}

/* Of a schema and an array, one of which may have failed. */
static inline PyObject *pair(PyObject *schema, PyObject *array) {
    PyObject *both = schema && array ? PyTuple_Pack(2, schema, array) : NULL;
    Py_XDECREF(schema), Py_XDECREF(array);
    return both;
}

/* Frames: structs whose columns live and go with them. */

enum { LABEL = 16 };

struct field {
    struct ArrowSchema schema;
    char format[LABEL], name[LABEL];
};

/* Room for so many, and for a pointer to each behind them. */
static inline struct field *new_fields(size_t count) {
    return calloc(count + 1, sizeof(struct field) + sizeof(struct ArrowSchema *));
}

static inline void release_field(struct ArrowSchema *schema) { schema->release = NULL; }

static inline void release_fields(struct ArrowSchema *schema) {
    free(schema->private_data);
    schema->release = NULL;
}

/* The schema of columns that have a format and a name; takes them over. */
static inline PyObject *frame_schema(struct field *fields, size_t count) {
    struct ArrowSchema **pointers = (struct ArrowSchema **)(fields + count);
    for (size_t i = 0; i < count; i++) {
        fields[i].schema = (struct ArrowSchema){
            .format = fields[i].format, .name = fields[i].name, .flags = ARROW_NULLABLE, .release = release_field};
        pointers[i] = &fields[i].schema;
    }
    return schema_capsule((struct ArrowSchema){.format = "+s",
                                               .name = "",
                                               .n_children = (int64_t)count,
                                               .children = pointers,
                                               .release = release_fields,
                                               .private_data = fields});
}

static inline void release_column(struct ArrowArray *array) { array->release = NULL; }

static inline void release_columns(struct ArrowArray *array) {
    for (int64_t i = 0; i < array->n_children; i++)
        if (array->children[i]->release)
            array->children[i]->release(array->children[i]);
}

#endif
