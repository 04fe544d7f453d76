/* The timestamp service as a thread pool in C: the peer that shows what the machine and the generator can do.

   Usage: server URL THREADS [keep] [echo]        URL: tcp://127.0.0.1:PORT, unix://PATH or udp://127.0.0.1:PORT

   Each thread blocks in accept() (or recvfrom()) and serves what it takes to the end: one line, or with `keep` any
   number of lines. With `echo` the reply is the line alone. A line "count" is answered with the number of lines
   answered so far, which tells the harness how fast any client is without asking that client. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST_LINE = 8192, STAMP = 27, BACKLOG = 1024, STACK = 64 * 1024, MOST_THREADS = 4096 };

/* One line of the processor's cache each, so that threads that count do not disturb one another. */
static struct { _Alignas(64) atomic_long answered; } threads[MOST_THREADS];
static int listener, datagrams, keep, echo;

static long answered(void)
{
    long all = 0;
    for (int i = 0; i < MOST_THREADS; i++)
        all += atomic_load_explicit(&threads[i].answered, memory_order_relaxed);
    return all;
}

/* Writes "[time] line" into reply, which has room; returns its size. */
static size_t render(char *reply, const char *line, size_t size)
{
    char moment[26];
    time_t now = time(NULL);
    struct tm parts;
    if (size >= 5 && memcmp(line, "count", 5) == 0)
        return sprintf(reply, "%ld\n", answered());
    if (echo) {
        memcpy(reply, line, size);
        return size;
    }
    asctime_r(localtime_r(&now, &parts), moment);
    reply[0] = '[';
    memcpy(reply + 1, moment, 24);
    memcpy(reply + 25, "] ", 2);
    memcpy(reply + STAMP, line, size);
    return STAMP + size;
}

static void serve_datagrams(atomic_long *count)
{
    char line[LONGEST_LINE], reply[STAMP + LONGEST_LINE];
    struct sockaddr_storage peer;
    for (;;) {
        socklen_t length = sizeof peer;
        ssize_t size = recvfrom(listener, line, sizeof line, 0, (struct sockaddr *)&peer, &length);
        if (size < 0)
            continue;
        sendto(listener, reply, render(reply, line, size), 0, (struct sockaddr *)&peer, length);
        atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
    }
}

static void serve_connection(int fd, atomic_long *count)
{
    char line[LONGEST_LINE], reply[STAMP + LONGEST_LINE], *end;
    size_t held = 0;
    for (;;) {
        ssize_t got = recv(fd, line + held, sizeof line - held, 0);
        if (got <= 0)
            return;
        held += got;
        while ((end = memchr(line, '\n', held)) != NULL) {
            size_t size = end + 1 - line;
            if (send(fd, reply, render(reply, line, size), MSG_NOSIGNAL) < 0)
                return;
            atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
            if (!keep)
                return;
            memmove(line, end + 1, held -= size);
        }
        if (held == sizeof line)
            return;
    }
}

static void *work(void *argument)
{
    atomic_long *count = &threads[(long)argument].answered;
    if (datagrams)
        serve_datagrams(count);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        serve_connection(fd, count);
        shutdown(fd, SHUT_WR);
        close(fd);
    }
    return NULL;
}

static int listen_on(const char *url)
{
    int one = 1, fd, failed;
    datagrams = strncmp(url, "udp:", 4) == 0;
    if (strncmp(url, "unix://", 7) == 0) {
        struct sockaddr_un here = {.sun_family = AF_UNIX};
        strncpy(here.sun_path, url + 7, sizeof here.sun_path - 1);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        failed = bind(fd, (struct sockaddr *)&here, sizeof here);
    } else {
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        here.sin_port = htons(atoi(strrchr(url, ':') + 1));
        fd = socket(AF_INET, datagrams ? SOCK_DGRAM : SOCK_STREAM, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        failed = bind(fd, (struct sockaddr *)&here, sizeof here);
    }
    if (failed || (!datagrams && listen(fd, BACKLOG))) {
        perror(url);
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    if (argc < 3 || atoi(argv[2]) < 1 || atoi(argv[2]) > MOST_THREADS) {
        fprintf(stderr, "usage: server URL THREADS [keep] [echo]\n");
        return 2;
    }
    listener = listen_on(argv[1]);
    for (int i = 3; i < argc; i++) {
        keep |= strcmp(argv[i], "keep") == 0;
        echo |= strcmp(argv[i], "echo") == 0;
    }
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK);
    for (long i = 0; i < atoi(argv[2]); i++) {
        pthread_t thread;
        if (pthread_create(&thread, &small, work, (void *)i)) {
            perror("pthread_create");
            return 1;
        }
    }
    pause();
    return 0;
}
