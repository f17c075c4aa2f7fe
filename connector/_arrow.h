/* Apache Arrow's C data and stream interfaces, as far as the extensions use them; the structures are Arrow's own.
 *
 * https://arrow.apache.org/docs/format/CDataInterface.html and CStreamInterface.html, frozen since Arrow 1.0.
 */
#ifndef CONNECTOR_ARROW_H
#define CONNECTOR_ARROW_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

#endif
