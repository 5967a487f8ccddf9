/* A scoring endpoint that is never the bottleneck: HTTP/1.1 keep-alive, one thread, epoll, loopback only.
 *
 *   endpoint PORT         binds 127.0.0.1:PORT (0 = any free one) and prints "listening <port>"
 *   POST /d/<ms>          answers after a fixed delay
 *   POST /tail            answers after 10 ms, every 20th request after 200 ms
 *   POST /reset           starts the count of /tail anew
 *
 * A body is one record and gets one answer, unless its first key is "instances" (a list) or "dataframe_split" (an
 * object with the list "data"): then it gets {"predictions":[...]}, one per element. Every answer carries the CRC-32
 * of the record's bytes as sent, so that a client can be checked for order. Bounds: see the constants. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 1024,
    MAX_HEAD = 16 * 1024,
    MAX_BODY = 16 * 1024 * 1024,
    MAX_RECORDS = 65536,
    FIRST_BUFFER = 4096,
    KEPT_BUFFER = 64 * 1024, /* a connection gives a larger buffer back after its request */
    MAX_DELAY_MS = 60000,
};

static const char ANSWER[] =
    "{\"detected_language_code\":\"es\",\"confidence\":0.98716,\"alternatives\":[\"pt\",\"ca\",\"gl\"],"
    "\"model\":\"language:5\",\"digest\":\"%08x\"}";

typedef struct {
    int fd, waiting, closing; /* waiting: an answer is prepared, its time has not come */
    char *in;
    size_t in_len, in_cap;
    char *out;
    size_t out_len, out_sent;
    uint64_t due_ns;
    size_t heap_at;
} Connection;

static int epoll_fd, timer_fd, listen_fd;
static Connection *heap[MAX_CONNECTIONS];
static size_t heap_len, open_connections;
static unsigned long tail_count;
static uint64_t armed_ns;
static Connection *dead[MAX_CONNECTIONS]; /* freed only between rounds: an event of this round may still name one */
static size_t dead_len;
static uint32_t crc_table[256];

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *must(void *memory) {
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return memory;
}

static void make_crc_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
        crc_table[i] = c;
    }
}

static uint32_t crc32_of(const char *from, const char *to) {
    uint32_t c = 0xFFFFFFFFu;
    for (; from < to; from++) c = crc_table[(c ^ (uint8_t)*from) & 0xFF] ^ (c >> 8);
    return c ^ 0xFFFFFFFFu;
}

/* ---- timers: a binary heap of the waiting connections, the earliest armed in one timerfd ---- */

static void heap_put(size_t at, Connection *c) {
    heap[at] = c;
    c->heap_at = at;
}

static void heap_up(size_t at) {
    Connection *c = heap[at];
    for (; at > 0 && heap[(at - 1) / 2]->due_ns > c->due_ns; at = (at - 1) / 2) heap_put(at, heap[(at - 1) / 2]);
    heap_put(at, c);
}

static void heap_down(size_t at) {
    Connection *c = heap[at];
    for (size_t child; (child = 2 * at + 1) < heap_len; at = child) {
        if (child + 1 < heap_len && heap[child + 1]->due_ns < heap[child]->due_ns) child++;
        if (heap[child]->due_ns >= c->due_ns) break;
        heap_put(at, heap[child]);
    }
    heap_put(at, c);
}

static void heap_remove(Connection *c) {
    size_t at = c->heap_at;
    Connection *last = heap[--heap_len];
    if (last == c) return;
    heap_put(at, last);
    heap_up(at);
    heap_down(last->heap_at);
}

static void arm_timer(void) {
    uint64_t first = heap_len ? heap[0]->due_ns : 0;
    if (first == armed_ns) return;
    struct itimerspec spec = {.it_value = {(time_t)(first / 1000000000u), (long)(first % 1000000000u)}};
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    armed_ns = first;
}

/* ---- JSON: enough structure to find the records; each step returns the position after it, or NULL ---- */

static const char *skip_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
    return p;
}

static const char *skip_char(const char *p, const char *end, char wanted) {
    p = skip_space(p, end);
    return p < end && *p == wanted ? p + 1 : NULL;
}

static const char *skip_string(const char *p, const char *end) {
    for (p++; p < end; p++) {
        if (*p == '\\') p++;
        else if (*p == '"') return p + 1;
    }
    return NULL;
}

static const char *skip_scalar(const char *p, const char *end) {
    const char *start = p;
    while (p < end && !memchr(",:[]{}\" \t\r\n", *p, 11)) p++;
    return p > start ? p : NULL;
}

static const char *skip_value(const char *p, const char *end) {
    if (p >= end) return NULL;
    if (*p == '"') return skip_string(p, end);
    if (*p != '{' && *p != '[') return skip_scalar(p, end);
    for (int depth = 0; p && p < end;) {
        if (*p == '"') {
            p = skip_string(p, end);
            continue;
        }
        if (*p == '{' || *p == '[') depth++;
        if ((*p == '}' || *p == ']') && --depth == 0) return p + 1;
        p++;
    }
    return NULL;
}

/* Reads `"key" :`; the key's inside goes to *key and *key_len. */
static const char *skip_key(const char *p, const char *end, const char **key, size_t *key_len) {
    p = skip_space(p, end);
    if (p >= end || *p != '"') return NULL;
    *key = p + 1;
    if (!(p = skip_string(p, end))) return NULL;
    *key_len = (size_t)(p - 1 - *key);
    return skip_char(p, end, ':');
}

static int key_is(const char *key, size_t len, const char *name) {
    return len == strlen(name) && !memcmp(key, name, len);
}

typedef struct {
    uint32_t *digests;
    size_t len, cap;
} Records;

static int add_record(Records *records, uint32_t digest) {
    if (records->len == MAX_RECORDS) return 0;
    if (records->len == records->cap) {
        records->cap = records->cap ? records->cap * 2 : 64;
        records->digests = must(realloc(records->digests, records->cap * sizeof *records->digests));
    }
    records->digests[records->len++] = digest;
    return 1;
}

static const char *read_list(const char *p, const char *end, Records *records) {
    if (!(p = skip_char(p, end, '['))) return NULL;
    const char *empty = skip_char(p, end, ']');
    if (empty) return empty;
    for (;;) {
        p = skip_space(p, end);
        const char *after = skip_value(p, end);
        if (!after || !add_record(records, crc32_of(p, after))) return NULL;
        if ((p = skip_char(after, end, ']'))) return p;
        if (!(p = skip_char(after, end, ','))) return NULL;
    }
}

/* The members of "dataframe_split" in any order; only "data" holds records. */
static const char *read_split(const char *p, const char *end, Records *records) {
    int found = 0;
    if (!(p = skip_char(p, end, '{'))) return NULL;
    for (;;) {
        const char *key;
        size_t len;
        if (!(p = skip_key(p, end, &key, &len))) return NULL;
        int is_data = key_is(key, len, "data");
        p = is_data ? read_list(p, end, records) : skip_value(skip_space(p, end), end);
        found |= is_data;
        if (!p) return NULL;
        const char *closed = skip_char(p, end, '}');
        if (closed) return found ? closed : NULL;
        if (!(p = skip_char(p, end, ','))) return NULL;
    }
}

/* 1: a batch, its records read. 0: one record. -1: a batch that cannot be read. */
static int read_batch(const char *p, const char *end, Records *records) {
    const char *key;
    size_t len;
    if (!(p = skip_char(p, end, '{')) || !(p = skip_key(p, end, &key, &len))) return 0;
    if (key_is(key, len, "instances")) return read_list(p, end, records) ? 1 : -1;
    if (key_is(key, len, "dataframe_split")) return read_split(p, end, records) ? 1 : -1;
    return 0;
}

/* ---- answers ---- */

static void prepare(Connection *c, const char *status, const char *body, size_t len) {
    char head[256];
    int head_len = snprintf(head, sizeof head,
                            "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n", status, len,
                            c->closing ? "Connection: close\r\n" : "");
    c->out = must(malloc((size_t)head_len + len));
    memcpy(c->out, head, (size_t)head_len);
    memcpy(c->out + head_len, body, len);
    c->out_len = (size_t)head_len + len;
    c->out_sent = 0;
}

static void prepare_error(Connection *c, const char *status) {
    char body[128];
    c->closing = 1;
    int len = snprintf(body, sizeof body, "{\"message\":\"%s\"}", status);
    prepare(c, status, body, (size_t)len);
}

static void prepare_predictions(Connection *c, const Records *records) {
    size_t room = 32 + records->len * (sizeof ANSWER + 8);
    char *body = must(malloc(room)), *p = body;
    p += sprintf(p, "{\"predictions\":[");
    for (size_t i = 0; i < records->len; i++) {
        if (i) *p++ = ',';
        p += sprintf(p, ANSWER, records->digests[i]);
    }
    p += sprintf(p, "]}");
    prepare(c, "200 OK", body, (size_t)(p - body));
    free(body);
}

static void prepare_scores(Connection *c, const char *body, const char *end) {
    Records records = {0};
    char one[sizeof ANSWER + 16];
    int batch = read_batch(body, end, &records);
    if (batch > 0) prepare_predictions(c, &records);
    else if (batch < 0) prepare_error(c, "400 Bad Request");
    else prepare(c, "200 OK", one, (size_t)snprintf(one, sizeof one, ANSWER, crc32_of(body, end)));
    free(records.digests);
}

/* ---- connections ---- */

static void close_connection(Connection *c) {
    if (c->fd < 0) return;
    if (c->waiting) heap_remove(c);
    close(c->fd);
    c->fd = -1;
    dead[dead_len++] = c;
}

static void bury_dead(void) {
    while (dead_len) {
        Connection *c = dead[--dead_len];
        free(c->in);
        free(c->out);
        free(c);
        open_connections--;
    }
}

/* Sends what it can; 1 when the whole answer is out. */
static int flush(Connection *c) {
    while (c->out_sent < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) close_connection(c);
            return 0;
        }
        c->out_sent += (size_t)n;
    }
    free(c->out);
    c->out = NULL;
    if (c->closing) close_connection(c);
    return c->fd >= 0;
}

static void drop_input(Connection *c, size_t n) {
    c->in_len -= n;
    memmove(c->in, c->in + n, c->in_len);
    if (c->in_cap > KEPT_BUFFER && c->in_len < FIRST_BUFFER) {
        c->in_cap = FIRST_BUFFER;
        c->in = must(realloc(c->in, c->in_cap));
    }
}

/* The value of a header within the head, or NULL; the head ends with an empty line. */
static const char *header(const char *head, const char *end, const char *name) {
    size_t len = strlen(name);
    for (const char *line = head; (line = memmem(line, (size_t)(end - line), "\r\n", 2));) {
        line += 2;
        if ((size_t)(end - line) > len && !strncasecmp(line, name, len) && line[len] == ':') return line + len + 1;
    }
    return NULL;
}

/* The body's length, or an error status. */
static const char *body_length(const char *head, const char *end, size_t *length) {
    const char *value = header(head, end, "content-length");
    if (!value) return "411 Length Required";
    char *stop;
    while (*value == ' ') value++;
    if (*value < '0' || *value > '9') return "400 Bad Request";
    unsigned long long n = strtoull(value, &stop, 10);
    if (*stop != '\r' && *stop != ' ') return "400 Bad Request";
    *length = (size_t)n;
    return n > MAX_BODY ? "413 Content Too Large" : NULL;
}

/* The delay in ns that a path asks for, or -1: no such path. */
static int64_t delay_of(const char *path, size_t len) {
    if (len == 5 && !memcmp(path, "/tail", 5)) return ++tail_count % 20 ? 10000000 : 200000000;
    if (len < 4 || memcmp(path, "/d/", 3)) return -1;
    int64_t ms = 0;
    for (size_t i = 3; i < len; i++) {
        if (path[i] < '0' || path[i] > '9') return -1;
        if ((ms = ms * 10 + (path[i] - '0')) > MAX_DELAY_MS) return -1;
    }
    return ms * 1000000;
}

static void answer(Connection *c, const char *path, size_t path_len, const char *body, const char *end) {
    if (path_len == 6 && !memcmp(path, "/reset", 6)) {
        tail_count = 0;
        prepare(c, "200 OK", "{}", 2);
        return;
    }
    int64_t delay = delay_of(path, path_len);
    if (delay < 0) {
        prepare_error(c, "404 Not Found");
        return;
    }
    c->due_ns = delay ? now_ns() + (uint64_t)delay : 0;
    prepare_scores(c, body, end);
    if (!delay) return;
    c->waiting = 1;
    heap_put(heap_len, c);
    heap_up(heap_len++);
}

/* Takes one request off the input if it is complete; 1 when an answer is prepared. */
static int take_request(Connection *c) {
    if (!c->in_len) return 0;
    const char *mark = memmem(c->in, c->in_len < MAX_HEAD ? c->in_len : MAX_HEAD, "\r\n\r\n", 4);
    if (!mark) {
        if (c->in_len >= MAX_HEAD) prepare_error(c, "431 Request Header Fields Too Large");
        return c->in_len >= MAX_HEAD;
    }
    const char *body = mark + 4, *path = c->in + 5, *stop, *problem;
    size_t length = 0;
    if (memcmp(c->in, "POST ", 5)) problem = "405 Method Not Allowed";
    else if (!(stop = memchr(path, ' ', (size_t)(mark - path)))) problem = "400 Bad Request";
    else problem = body_length(c->in, body, &length);
    if (problem) {
        prepare_error(c, problem);
        return 1;
    }
    size_t whole = (size_t)(body - c->in) + length;
    if (c->in_len < whole) return 0;
    const char *connection = header(c->in, body, "connection");
    if (connection && !strncasecmp(connection + strspn(connection, " "), "close", 5)) c->closing = 1;
    answer(c, path, (size_t)(stop - path), body, body + length);
    drop_input(c, whole);
    return 1;
}

/* Goes on with a connection as far as it can: at most one answer is prepared at a time. */
static void advance(Connection *c) {
    while (c->fd >= 0 && !c->waiting) {
        if (c->out ? !flush(c) : !take_request(c)) return;
    }
}

static void receive(Connection *c) {
    for (;;) {
        if (c->in_len == c->in_cap) {
            if (c->in_cap >= 2 * (MAX_HEAD + MAX_BODY)) {
                close_connection(c);
                return;
            }
            c->in_cap = c->in_cap ? c->in_cap * 2 : FIRST_BUFFER;
            c->in = must(realloc(c->in, c->in_cap));
        }
        ssize_t n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) close_connection(c);
        if (n <= 0) return;
        c->in_len += (size_t)n;
    }
}

static void accept_all(void) {
    int fd, on = 1;
    while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (open_connections == MAX_CONNECTIONS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Connection *c = must(calloc(1, sizeof *c));
        c->fd = fd;
        open_connections++;
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static void send_due(void) {
    uint64_t expirations, now = now_ns();
    if (read(timer_fd, &expirations, sizeof expirations) > 0) armed_ns = 0;
    while (heap_len && heap[0]->due_ns <= now) {
        Connection *c = heap[0];
        heap_remove(c);
        c->waiting = 0;
        advance(c);
    }
}

static void handle(const struct epoll_event *event) {
    Connection *c = event->data.ptr;
    if (c == (void *)&listen_fd) {
        accept_all();
        return;
    }
    if (c == (void *)&timer_fd) {
        send_due();
        return;
    }
    if (c->fd >= 0 && event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) receive(c);
    advance(c);
}

static void listen_on(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof address;
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listen_fd, (struct sockaddr *)&address, len) || listen(listen_fd, MAX_CONNECTIONS) ||
        getsockname(listen_fd, (struct sockaddr *)&address, &len)) {
        perror("listen");
        exit(1);
    }
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void watch(int *fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, *fd, &event);
}

static void stop(int signal_number) {
    (void)signal_number;
    _exit(0);
}

int main(int argc, char **argv) {
    struct epoll_event events[256];
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* the bench that started it may be killed */
    make_crc_table();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    listen_on((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
    watch(&listen_fd);
    watch(&timer_fd);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, 256, -1);
        for (int i = 0; i < n; i++) handle(&events[i]);
        bury_dead();
        arm_timer();
    }
}
