/* Drains a consumer's records into columns: what `Consumer.consume()` gives, without a Python object for each.
 *
 * How it gets at the client: as a plugin of librdkafka's (`plugin.library.paths`), by its public interface only. It is
 * told of each client that is made with it (`conf_init`, `on_new`), and takes librdkafka's functions from the very
 * library that called it, so it needs no header and no library to be built, and knows no layout but that of
 * `rd_kafka_message_t`, which is public.
 *
 * Each assigned partition's queue is forwarded to a queue of our own, and only that is read here. The consumer keeps
 * its own queue with all callbacks, so none ever runs in this file. What belongs to a partition that was revoked,
 * paused or sought meanwhile, librdkafka drops by itself when the queue is read.
 *
 * Whatever takes long happens without the GIL. `connector/kafka/drain.py` is the only caller, on the consumer thread.
 */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <dlfcn.h>

#include "../_arrow.h"

#define EXPORT __attribute__((visibility("default")))
#define NAME "target-connector drain"

/* librdkafka, as far as it is used: rdkafka.h, stable since 1.0. */

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_headers_s rd_kafka_headers_t;

typedef struct {
    int err;
    rd_kafka_topic_t *rkt;
    int32_t partition;
    void *payload;
    size_t len;
    void *key;
    size_t key_len;
    int64_t offset;
    void *private;
} rd_kafka_message_t;

typedef int on_new_t(rd_kafka_t *, const rd_kafka_conf_t *, void *, char *, size_t);

enum { NO_ERROR = 0, FAILED = -196 /* __FAIL */, PARTITION_EOF = -191 };

static struct {
    int (*rd_kafka_conf_interceptor_add_on_new)(rd_kafka_conf_t *, const char *, on_new_t *, void *);
    rd_kafka_queue_t *(*rd_kafka_queue_new)(rd_kafka_t *);
    rd_kafka_queue_t *(*rd_kafka_queue_get_partition)(rd_kafka_t *, const char *, int32_t);
    void (*rd_kafka_queue_forward)(rd_kafka_queue_t *, rd_kafka_queue_t *);
    void (*rd_kafka_queue_destroy)(rd_kafka_queue_t *);
    ssize_t (*rd_kafka_consume_batch_queue)(rd_kafka_queue_t *, int, rd_kafka_message_t **, size_t);
    void (*rd_kafka_message_destroy)(rd_kafka_message_t *);
    const char *(*rd_kafka_message_errstr)(const rd_kafka_message_t *);
    int (*rd_kafka_message_headers)(const rd_kafka_message_t *, rd_kafka_headers_t **);
    int (*rd_kafka_header_get_all)(const rd_kafka_headers_t *, size_t, const char **, const void **, size_t *);
    const char *(*rd_kafka_topic_name)(const rd_kafka_topic_t *);
} api;

/* The client that this thread made last, until `attach` takes it. */
static __thread rd_kafka_t *newest;

static int on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *errstr, size_t errstr_size) {
    (void)conf, (void)opaque, (void)errstr, (void)errstr_size;
    newest = rk;
    return NO_ERROR;
}

static int resolve(const void *caller) {
    Dl_info info;
    void *library;
    if (!dladdr(caller, &info) || !(library = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD)))
        return 0;
#define TAKE(function)                                                                                                 \
    if (!(*(void **)&api.function = dlsym(library, #function)))                                                        \
        return 0;
    TAKE(rd_kafka_conf_interceptor_add_on_new)
    TAKE(rd_kafka_queue_new)
    TAKE(rd_kafka_queue_get_partition)
    TAKE(rd_kafka_queue_forward)
    TAKE(rd_kafka_queue_destroy)
    TAKE(rd_kafka_consume_batch_queue)
    TAKE(rd_kafka_message_destroy)
    TAKE(rd_kafka_message_errstr)
    TAKE(rd_kafka_message_headers)
    TAKE(rd_kafka_header_get_all)
    TAKE(rd_kafka_topic_name)
#undef TAKE
    return 1; /* the library is never closed: the extension module that brought it stays until the process ends */
}

/* librdkafka calls this when a client is configured, with the GIL held by whoever configures it. */
EXPORT int conf_init(rd_kafka_conf_t *conf, void **opaque, char *errstr, size_t errstr_size) {
    (void)opaque;
    if (!resolve(__builtin_return_address(0))) {
        strncpy(errstr, NAME ": this librdkafka lacks a function", errstr_size - 1);
        return FAILED;
    }
    return api.rd_kafka_conf_interceptor_add_on_new(conf, NAME, on_new, NULL);
}

/* The columns, as Arrow's C data interface has them. */

enum { OFFSET, RUN, VALUE, KEY, HEADERS, COLUMNS };
static const char *const names[COLUMNS] = {"#offset", "#run", "#value", "key", "headers"};
static const char *const formats[COLUMNS] = {"l", "I", "Z", "Z", "Z"};

static PyObject *new_schema(void) {
    struct field *fields = new_fields(COLUMNS);
    if (!fields)
        return PyErr_NoMemory();
    for (int i = 0; i < COLUMNS; i++)
        strcpy(fields[i].format, formats[i]), strcpy(fields[i].name, names[i]);
    return frame_schema(fields, COLUMNS);
}

/* The columns of one batch, which live until the frame made of them is gone. */

struct blob {
    uint8_t *valid; /* a bit for each row */
    int64_t *ends;  /* one more than rows, the first is 0 */
    uint8_t *data;
    size_t size, room;
    int64_t nulls;
};

struct batch {
    int64_t rows;
    int64_t *offsets;
    uint32_t *runs;
    struct blob blobs[COLUMNS]; /* from VALUE on */
    const void *none[1];
    const void *buffers[COLUMNS][3];
    struct ArrowArray columns[COLUMNS], *pointers[COLUMNS];
};

static void free_batch(struct batch *batch) {
    free(batch->offsets), free(batch->runs);
    for (int i = VALUE; i < COLUMNS; i++)
        free(batch->blobs[i].valid), free(batch->blobs[i].ends), free(batch->blobs[i].data);
    free(batch);
}

static void release_batch(struct ArrowArray *array) {
    release_columns(array);
    free_batch(array->private_data);
    array->release = NULL;
}

/* Takes the batch over, whatever comes. */
static PyObject *new_array(struct batch *batch) {
    for (int i = 0; i < COLUMNS; i++) {
        struct blob *blob = &batch->blobs[i];
        const void **buffers = batch->buffers[i];
        buffers[0] = blob->nulls ? blob->valid : NULL;
        buffers[1] = i == OFFSET ? (void *)batch->offsets : i == RUN ? (void *)batch->runs : (void *)blob->ends;
        buffers[2] = blob->data;
        batch->columns[i] = (struct ArrowArray){.length = batch->rows,
                                                .null_count = blob->nulls,
                                                .n_buffers = i < VALUE ? 2 : 3,
                                                .buffers = buffers,
                                                .release = release_column};
        batch->pointers[i] = &batch->columns[i];
    }
    return array_capsule((struct ArrowArray){.length = batch->rows,
                                             .n_buffers = 1,
                                             .n_children = COLUMNS,
                                             .buffers = batch->none,
                                             .children = batch->pointers,
                                             .release = release_batch,
                                             .private_data = batch});
}

/* A queue of our own, and the messages that were taken from it. */

struct run {
    const rd_kafka_message_t *first; /* kept until the names are read */
    int64_t count;                   /* 0: the end of the partition */
};

struct drain {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* NULL once closed */
    size_t room;
    rd_kafka_message_t **messages;
    struct run *runs;
};

static int reserve(struct drain *drain, size_t room) {
    if (room <= drain->room)
        return 1;
    rd_kafka_message_t **messages = realloc(drain->messages, room * sizeof *messages);
    if (messages)
        drain->messages = messages;
    struct run *runs = realloc(drain->runs, room * sizeof *runs);
    if (runs)
        drain->runs = runs;
    if (!messages || !runs)
        return 0;
    drain->room = room;
    return 1;
}

static int allot(struct blob *blob, size_t rows, size_t bytes) {
    blob->valid = calloc(rows / 8 + 1, 1);
    blob->ends = malloc((rows + 1) * sizeof *blob->ends);
    blob->data = malloc(bytes + 1);
    blob->room = bytes;
    return blob->valid && blob->ends && blob->data && (blob->ends[0] = 0, 1);
}

static void put(struct blob *blob, const void *bytes, size_t size) {
    memcpy(blob->data + blob->size, bytes, size);
    blob->size += size;
}

static void end(struct blob *blob, int64_t row, int is_null) {
    blob->ends[row + 1] = (int64_t)blob->size;
    if (is_null)
        blob->nulls++;
    else
        blob->valid[row / 8] |= (uint8_t)(1 << row % 8);
}

/* Each header as the sizes of its name and its value (-1: null; 4 bytes each, as the machine has them), name, value. */
static int put_headers(struct blob *blob, const rd_kafka_message_t *message) {
    rd_kafka_headers_t *headers;
    if (api.rd_kafka_message_headers(message, &headers) != NO_ERROR)
        return 0;
    const char *name;
    const void *value;
    size_t size;
    for (size_t i = 0; api.rd_kafka_header_get_all(headers, i, &name, &value, &size) == NO_ERROR; i++) {
        int32_t sizes[2] = {(int32_t)strlen(name), value ? (int32_t)size : -1};
        size_t needed = blob->size + sizeof sizes + (size_t)sizes[0] + (value ? size : 0);
        if (needed > blob->room) {
            uint8_t *data = realloc(blob->data, needed * 2);
            if (!data)
                return -1;
            blob->data = data, blob->room = needed * 2;
        }
        put(blob, sizes, sizeof sizes);
        put(blob, name, (size_t)sizes[0]);
        if (value)
            put(blob, value, size);
    }
    return 1;
}

static struct batch *new_batch(rd_kafka_message_t **messages, size_t count) {
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    size_t rows = 0, values = 0, keys = 0;
    for (size_t i = 0; i < count; i++)
        if (messages[i]->err == NO_ERROR)
            rows++, values += messages[i]->len, keys += messages[i]->key_len;
    batch->offsets = malloc((rows + 1) * sizeof *batch->offsets);
    batch->runs = malloc((rows + 1) * sizeof *batch->runs);
    if (batch->offsets && batch->runs && allot(&batch->blobs[VALUE], rows, values) &&
        allot(&batch->blobs[KEY], rows, keys) && allot(&batch->blobs[HEADERS], rows, 0))
        return batch;
    free_batch(batch);
    return NULL;
}

/* Copies the records into columns and finds the runs; gives how many, or -1 where memory is out. */
static int64_t fill(struct batch *batch, struct run *runs, rd_kafka_message_t **messages, size_t count) {
    struct blob *values = &batch->blobs[VALUE], *keys = &batch->blobs[KEY], *headers = &batch->blobs[HEADERS];
    int64_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_message_t *message = messages[i];
        if (message->err == PARTITION_EOF)
            runs[found++] = (struct run){message, 0};
        if (message->err != NO_ERROR)
            continue;
        struct run *last = found ? &runs[found - 1] : NULL;
        if (last && last->count && last->first->rkt == message->rkt && last->first->partition == message->partition &&
            last->first->offset + last->count == message->offset)
            last->count++;
        else
            runs[found++] = (struct run){message, 1};
        int64_t row = batch->rows++;
        batch->offsets[row] = message->offset;
        batch->runs[row] = (uint32_t)(found - 1);
        if (message->payload)
            put(values, message->payload, message->len);
        end(values, row, !message->payload);
        if (message->key)
            put(keys, message->key, message->key_len);
        end(keys, row, !message->key);
        int has_headers = put_headers(headers, message);
        if (has_headers < 0)
            return -1;
        end(headers, row, !has_headers);
    }
    return found;
}

static PyObject *told_runs(const struct run *runs, int64_t count) {
    PyObject *list = PyList_New(count);
    for (int64_t i = 0; list && i < count; i++) {
        const rd_kafka_message_t *first = runs[i].first;
        PyObject *run = Py_BuildValue("siLL", api.rd_kafka_topic_name(first->rkt), (int)first->partition,
                                      (long long)first->offset, (long long)runs[i].count);
        if (!run || PyList_SetItem(list, i, run))
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *told_errors(rd_kafka_message_t **messages, size_t count) {
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < count; i++) {
        const rd_kafka_message_t *message = messages[i];
        if (message->err == NO_ERROR || message->err == PARTITION_EOF)
            continue;
        PyObject *error = Py_BuildValue("isz", message->err, api.rd_kafka_message_errstr(message),
                                        message->rkt ? api.rd_kafka_topic_name(message->rkt) : NULL);
        if (!error || PyList_Append(list, error))
            Py_CLEAR(list);
        Py_XDECREF(error);
    }
    return list;
}

static void close_drain(struct drain *drain) {
    if (drain->queue)
        api.rd_kafka_queue_destroy(drain->queue);
    drain->queue = NULL;
}

static void free_drain(PyObject *capsule) {
    struct drain *drain = PyCapsule_GetPointer(capsule, NAME);
    free(drain->messages), free(drain->runs), free(drain); /* one that was not closed leaks its queue: its client may be gone */
}

static struct drain *opened(PyObject *capsule) {
    struct drain *drain = PyCapsule_GetPointer(capsule, NAME);
    if (drain && !drain->queue) {
        PyErr_SetString(PyExc_ValueError, "the drain is closed");
        return NULL;
    }
    return drain;
}

PyDoc_STRVAR(attach_doc, "attach() -> capsule: a queue of the client that this thread made last as a plugin's");
static PyObject *py_attach(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    if (!newest) {
        PyErr_SetString(PyExc_RuntimeError, "librdkafka made no client with this plugin");
        return NULL;
    }
    struct drain *drain = calloc(1, sizeof *drain);
    if (!drain)
        return PyErr_NoMemory();
    drain->rk = newest, newest = NULL;
    drain->queue = api.rd_kafka_queue_new(drain->rk);
    return PyCapsule_New(drain, NAME, free_drain);
}

PyDoc_STRVAR(forward_doc, "forward(capsule, topic, partition, here): read a partition here, or no longer");
static PyObject *py_forward(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *capsule;
    const char *topic;
    int partition, here;
    struct drain *drain;
    if (!PyArg_ParseTuple(arguments, "Osip", &capsule, &topic, &partition, &here) || !(drain = opened(capsule)))
        return NULL;
    rd_kafka_queue_t *queue;
    Py_BEGIN_ALLOW_THREADS;
    if ((queue = api.rd_kafka_queue_get_partition(drain->rk, topic, partition))) {
        api.rd_kafka_queue_forward(queue, here ? drain->queue : NULL);
        api.rd_kafka_queue_destroy(queue);
    }
    Py_END_ALLOW_THREADS;
    return PyBool_FromLong(queue != NULL);
}

PyDoc_STRVAR(drain_doc, "drain(capsule, most, timeout_ms) -> (arrow_schema, arrow_array, runs, errors)");
static PyObject *py_drain(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *capsule;
    Py_ssize_t most;
    int timeout_ms;
    struct drain *drain;
    if (!PyArg_ParseTuple(arguments, "Oni", &capsule, &most, &timeout_ms) || !(drain = opened(capsule)))
        return NULL;
    if (!reserve(drain, (size_t)most))
        return PyErr_NoMemory();
    ssize_t count;
    int64_t runs = -1;
    struct batch *batch;
    Py_BEGIN_ALLOW_THREADS;
    count = api.rd_kafka_consume_batch_queue(drain->queue, timeout_ms, drain->messages, (size_t)most);
    count = count < 0 ? 0 : count;
    batch = new_batch(drain->messages, (size_t)count);
    if (batch)
        runs = fill(batch, drain->runs, drain->messages, (size_t)count);
    Py_END_ALLOW_THREADS;
    PyObject *told = NULL, *errors = NULL, *schema = NULL, *array = NULL;
    if (runs < 0) {
        if (batch)
            free_batch(batch);
        PyErr_NoMemory();
    } else {
        array = new_array(batch);
        told = array ? told_runs(drain->runs, runs) : NULL;
        errors = told ? told_errors(drain->messages, (size_t)count) : NULL;
        schema = errors ? new_schema() : NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    for (ssize_t i = 0; i < count; i++)
        api.rd_kafka_message_destroy(drain->messages[i]);
    Py_END_ALLOW_THREADS;
    PyObject *result = schema ? PyTuple_Pack(4, schema, array, told, errors) : NULL;
    Py_XDECREF(schema), Py_XDECREF(array), Py_XDECREF(told), Py_XDECREF(errors);
    return result;
}

PyDoc_STRVAR(close_doc, "close(capsule): let the queue go, before its client goes");
static PyObject *py_close(PyObject *module, PyObject *capsule) {
    (void)module;
    struct drain *drain = PyCapsule_GetPointer(capsule, NAME);
    if (!drain)
        return NULL;
    Py_BEGIN_ALLOW_THREADS;
    close_drain(drain);
    Py_END_ALLOW_THREADS;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {{"attach", py_attach, METH_NOARGS, attach_doc},
                                  {"forward", py_forward, METH_VARARGS, forward_doc},
                                  {"drain", py_drain, METH_VARARGS, drain_doc},
                                  {"close", py_close, METH_O, close_doc},
                                  {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_drain", .m_doc = "Records to columns, in C.", .m_methods = functions};

EXPORT PyObject *PyInit__drain(void) { return PyModuleDef_Init(&definition); }
