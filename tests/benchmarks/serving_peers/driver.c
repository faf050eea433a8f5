/* A closed loop over kept connections: each sends its next request when the last is answered.

       driver PORT CONNECTIONS SECONDS REQUESTS IDS

   REQUESTS holds, for each request, two lengths (uint32, this machine's byte order) and then the
   bytes of the request and of the end that its answer must have. Connections go through the
   requests in turn. After SECONDS nothing more is sent, and what is under way is waited for, so
   that every request that was sent is counted. The values of X-Request-Id headers are written to
   IDS, one a line. Prints a JSON object: answers (code 200 and the right end), failed, differing,
   elapsed_s, and latencies in microseconds.

   In C because a driver in Python takes more of the two processors than the server that it
   measures. One thread, epoll, Linux only. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS 60000000000LL /* longest wait for what is under way at the end */

struct request { const char *bytes, *end; uint32_t length, end_length; };
struct connection {
    int file, waiting;            /* waiting: for an answer */
    uint32_t request, sent;
    int64_t started;
    char *buffer;
    size_t used, room;
};

static struct request *requests;
static struct connection *connections;
static uint32_t request_count;
static int port, poller, under_way;
static int64_t deadline;
static double *latencies;
static size_t answers, failed, differing, room;
static FILE *ids;
static char *complaint; /* the first answer that was not right */

static void die(const char *what) { perror(what); exit(2); }

static int64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void read_requests(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    uint32_t lengths[2];
    while (fread(lengths, sizeof lengths, 1, file) == 1) {
        size_t both = (size_t)lengths[0] + lengths[1];
        char *bytes = malloc(both + 1);
        if (fread(bytes, 1, both, file) != both) die("a request is cut off");
        requests = realloc(requests, (request_count + 1) * sizeof *requests);
        requests[request_count++] =
            (struct request){bytes, bytes + lengths[0], lengths[0], lengths[1]};
    }
    fclose(file);
    if (!request_count) { fprintf(stderr, "no requests\n"); exit(2); }
}

static void open_connection(struct connection *one) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1;
    one->file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(one->file, (struct sockaddr *)&address, sizeof address)) die("connect");
    setsockopt(one->file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(one->file, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, one->file, &event)) die("epoll_ctl");
    one->used = 0;
}

static void watch(struct connection *one, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = one};
    epoll_ctl(poller, EPOLL_CTL_MOD, one->file, &event);
}

static void push(struct connection *one) {
    struct request *request = requests + one->request;
    while (one->sent < request->length) {
        ssize_t count = send(one->file, request->bytes + one->sent, request->length - one->sent,
                             MSG_NOSIGNAL);
        if (count < 0) {
            if (errno == EAGAIN) watch(one, EPOLLIN | EPOLLOUT);
            return; /* a broken connection is noticed when it is read */
        }
        one->sent += count;
    }
    watch(one, EPOLLIN);
}

static void ask(struct connection *one) {
    one->started = now();
    if (one->started >= deadline) return;
    one->request = (one->request + 1) % request_count;
    one->sent = 0;
    one->waiting = 1;
    under_way++;
    struct request *request = requests + one->request;
    ssize_t count = send(one->file, request->bytes, request->length, MSG_NOSIGNAL);
    one->sent = count > 0 ? count : 0;
    if (one->sent < request->length) push(one);
}

static void complain(const char *text, size_t length) {
    if (!complaint) complaint = strndup(text, length < 600 ? length : 600);
}

static void judge(struct connection *one, const char *body, size_t length) {
    struct request *request = requests + one->request;
    if (memcmp(one->buffer + 8, " 200", 4)) {
        failed++;
        complain(one->buffer, one->used);
    } else if (length < request->end_length ||
               memcmp(body + length - request->end_length, request->end, request->end_length)) {
        differing++;
        complain(body, length);
    } else {
        if (answers == room)
            latencies = realloc(latencies, (room = room * 2 + 65536) * sizeof *latencies);
        latencies[answers++] = (now() - one->started) / 1e3;
    }
}

static const char *header(const char *head, const char *name) {
    const char *found = strcasestr(head, name);
    return found ? found + strlen(name) : NULL;
}

static void reopen(struct connection *one) {
    close(one->file);
    open_connection(one);
}

/* Whether the buffer held a whole answer, which is then judged and gone. */
static int finish(struct connection *one) {
    one->buffer[one->used] = 0;
    char *body = memmem(one->buffer, one->used, "\r\n\r\n", 4);
    if (!body) return 0;
    *body = 0; /* so that headers are searched in the head only */
    const char *length = header(one->buffer, "\r\ncontent-length:");
    const char *id = header(one->buffer, "\r\nx-request-id: ");
    const char *last = header(one->buffer, "\r\nconnection: close");
    if (!length) { fprintf(stderr, "no Content-Length: %s\n", one->buffer); exit(2); }
    size_t whole = strtoul(length, NULL, 10);
    if (one->used - (body + 4 - one->buffer) < whole) { *body = '\r'; return 0; }
    if (id && !memcmp(one->buffer + 8, " 200", 4))
        fprintf(ids, "%.*s\n", (int)strcspn(id, "\r"), id);
    judge(one, body + 4, whole);
    one->used = 0;
    one->waiting = 0;
    under_way--;
    if (last) reopen(one);
    return 1;
}

static void lost(struct connection *one) {
    if (one->waiting) {
        failed++;
        under_way--;
        one->waiting = 0;
        complain("the connection was closed", 25);
    }
    reopen(one);
    ask(one);
}

static void take(struct connection *one) {
    for (;;) {
        if (one->room < one->used + 65537)
            one->buffer = realloc(one->buffer, one->room = one->used * 2 + 131072);
        size_t most = one->room - one->used - 1;
        ssize_t count = recv(one->file, one->buffer + one->used, most, 0);
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) { lost(one); return; }
        one->used += count;
        if (finish(one)) ask(one);
        if ((size_t)count < most) return;
    }
}

static int by_size(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double quantile(double share) {
    size_t index = answers * share;
    return answers ? latencies[index < answers ? index : answers - 1] : 0;
}

static void report(double elapsed_s) {
    qsort(latencies, answers, sizeof(double), by_size);
    printf("{\"answers\": %zu, \"failed\": %zu, \"differing\": %zu, \"elapsed_s\": %.6f, "
           "\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"most_us\": %.1f, "
           "\"complaint\": \"",
           answers, failed, differing, elapsed_s, quantile(0.5), quantile(0.9), quantile(0.99),
           quantile(1));
    for (const char *at = complaint ? complaint : ""; *at; at++)
        if (*at == '"' || *at == '\\') printf("\\%c", *at);
        else putchar((unsigned char)*at < 32 || (unsigned char)*at > 126 ? ' ' : *at);
    printf("\"}\n");
}

int main(int argc, char **argv) {
    if (argc != 6) { fprintf(stderr, "driver PORT CONNECTIONS SECONDS REQUESTS IDS\n"); return 2; }
    port = atoi(argv[1]);
    int count = atoi(argv[2]);
    read_requests(argv[4]);
    if (!(ids = fopen(argv[5], "a"))) die(argv[5]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc(count, sizeof *connections);
    for (int index = 0; index < count; index++) {
        connections[index].request = (uint64_t)index * request_count / count;
        open_connection(connections + index);
    }
    int64_t began = now(), last = began;
    deadline = began + (int64_t)(atof(argv[3]) * 1e9);
    for (int index = 0; index < count; index++) ask(connections + index);
    struct epoll_event events[256];
    while (under_way && last < deadline + PATIENCE_NS) {
        int ready = epoll_wait(poller, events, 256, 1000);
        for (int index = 0; index < ready; index++) {
            struct connection *one = events[index].data.ptr;
            if (events[index].events & EPOLLOUT) push(one);
            if (events[index].events & ~EPOLLOUT) take(one);
        }
        last = now();
    }
    failed += under_way;
    fclose(ids);
    report((last - began) / 1e9);
    return 0;
}
