/* Load: a thread a client, in blocking calls. For exchanges this short that takes less of the machine than epoll
   does, and the rest of the machine is the server's.

   generator load URL CLIENTS WARMUP SECONDS [keep] [server-closes] [echo] [rate=N]
       Each client sends a line, waits for its reply and begins anew: on a new connection, or with `keep` on the
       same one. `server-closes` says that the server ends each connection after its reply, `echo` that the reply
       is the line alone. With `rate=N` lines are due N times a second over all clients, whatever the replies do
       (open loop), and a latency counts from when its line was due; without, from before the connection is opened,
       or the line sent. What ends in the warm-up's seconds is not counted. Prints one JSON object, its times in
       seconds.
   generator hold URL CLIENTS
       Opens so many connections, has one exchange on each, prints "ready", and holds them until its input ends.

   URL: tcp://127.0.0.1:PORT, unix://PATH or udp://127.0.0.1:PORT. Each client has a source address of its own in
   127/8: a single one would run out of ports. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    SOURCES = 4096, /* addresses */
    BATCH = 200,    /* connections that `hold` opens at once, well below any server's backlog */
    SUB = 64,       /* buckets for each doubling of a latency, so each at most 1.6 % wide */
    BUCKETS = 40 * SUB,
    STACK = 64 * 1024,
};

#define PATIENCE 2.0 /* seconds after which a reply is held to be lost */
#define UNIT 1e-7    /* seconds of the finest bucket */

static const char line[] = "hello world\r\n";
#define LINE ((ssize_t)sizeof line - 1)
#define STAMP 27 /* bytes before the line in a reply */

static struct sockaddr_storage target;
static socklen_t target_size;
static int keep, server_closes, datagrams;
static long clients;
static ssize_t reply_size = STAMP + LINE;
static double rate, begin;

static atomic_int counting;
static atomic_long answered, failed, histogram[BUCKETS];
static _Atomic double *asked_at; /* of each client; 0 while it waits for nothing */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void sleep_until(double moment)
{
    struct timespec t = {.tv_sec = moment, .tv_nsec = (moment - (long)moment) * 1e9};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

/* Buckets are UNIT wide up to 2 * SUB of them, then twice as wide for each doubling. */
static int bucket(unsigned long units)
{
    int shift = 0;
    while (units >> shift >= 2 * SUB)
        shift++;
    int index = shift * SUB + (units >> shift);
    return index < BUCKETS ? index : BUCKETS - 1;
}

static double middle(int index)
{
    int shift = index < 2 * SUB ? 0 : index / SUB - 1;
    return (index - shift * SUB + 0.5) * (1ul << shift) * UNIT;
}

static double quantile(double q)
{
    long rank = q * answered, seen = 0;
    for (int i = 0; i < BUCKETS; i++)
        if ((seen += histogram[i]) > rank)
            return middle(i);
    return 0;
}

static void note(int ok, double latency)
{
    if (!counting)
        return;
    if (!ok) {
        failed++;
        return;
    }
    atomic_fetch_add_explicit(&answered, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram[bucket(latency / UNIT)], 1, memory_order_relaxed);
}

static int open_connection(long number)
{
    int one = 1, fd = socket(target.ss_family, datagrams ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (target.ss_family == AF_INET && !datagrams) {
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002 + number % SOURCES)};
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        bind(fd, (struct sockaddr *)&here, sizeof here);
    }
    if (datagrams) {
        struct timeval patience = {.tv_sec = PATIENCE};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    if (connect(fd, (struct sockaddr *)&target, target_size) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Whether a whole reply came, and after it the end where the server closes. */
static int hear(int fd)
{
    char reply[512];
    ssize_t size, all = 0;
    /* One call brings a reply and the end; it returns early if more comes than should. */
    if (server_closes)
        return recv(fd, reply, sizeof reply, MSG_WAITALL) == reply_size && reply[reply_size - 1] == '\n';
    do {
        if ((size = recv(fd, reply + all, sizeof reply - all, 0)) <= 0)
            return 0;
        all += size;
    } while (reply[all - 1] != '\n');
    return all == reply_size;
}

static int exchange(int fd)
{
    return send(fd, line, LINE, MSG_NOSIGNAL) == LINE && hear(fd);
}

static void *client(void *argument)
{
    long number = (long)argument, turn = 0;
    int fd = -1;
    prctl(PR_SET_TIMERSLACK, 1);
    for (;;) {
        double asked = now();
        if (rate > 0) {
            asked = begin + (turn++ * clients + number) / rate;
            sleep_until(asked);
        }
        asked_at[number] = asked;
        int ok = (fd >= 0 || (fd = open_connection(number)) >= 0) && exchange(fd);
        asked_at[number] = 0;
        if (fd < 0)
            usleep(1000); /* nobody there: do not make it worse */
        if (fd >= 0 && !(keep && ok)) {
            close(fd);
            fd = -1;
        }
        note(ok, now() - asked);
    }
    return NULL;
}

static void load(double warmup, double seconds)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK);
    asked_at = calloc(clients, sizeof *asked_at);
    begin = now();
    for (long i = 0; i < clients; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &small, client, (void *)i)) {
            perror("generator: pthread_create");
            exit(1);
        }
    }
    sleep_until(begin + warmup);
    double from = now();
    counting = 1;
    sleep_until(from + seconds);
    counting = 0;
    double to = now();
    for (long i = 0; i < clients; i++) {
        double asked = asked_at[i];
        if (asked && to - asked > PATIENCE)
            failed++;
    }
    printf("{\"exchanges\": %ld, \"failed\": %ld, \"seconds\": %.6f, \"p50\": %.7f, \"p99\": %.7f, \"p999\": %.7f}\n",
           answered, failed, to - from, quantile(0.5), quantile(0.99), quantile(0.999));
}

static void hold(void)
{
    int *held = malloc(clients * sizeof *held);
    for (long i = 0; i < clients; i += BATCH) {
        long end = i + BATCH < clients ? i + BATCH : clients;
        for (long j = i; j < end; j++)
            if ((held[j] = open_connection(j)) < 0 || send(held[j], line, LINE, MSG_NOSIGNAL) != LINE) {
                fprintf(stderr, "generator: connection %ld: %s\n", j, strerror(errno));
                exit(1);
            }
        for (long j = i; j < end; j++)
            if (!hear(held[j])) {
                fprintf(stderr, "generator: connection %ld was not answered\n", j);
                exit(1);
            }
    }
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF)
        ;
}

static void parse_target(const char *url)
{
    datagrams = strncmp(url, "udp:", 4) == 0;
    if (strncmp(url, "unix://", 7) == 0) {
        struct sockaddr_un *there = (struct sockaddr_un *)&target;
        there->sun_family = AF_UNIX;
        strncpy(there->sun_path, url + 7, sizeof there->sun_path - 1);
        target_size = sizeof *there;
    } else {
        struct sockaddr_in *there = (struct sockaddr_in *)&target;
        there->sin_family = AF_INET;
        there->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        there->sin_port = htons(atoi(strrchr(url, ':') + 1));
        target_size = sizeof *there;
    }
}

int main(int argc, char **argv)
{
    int loads = argc >= 6 && strcmp(argv[1], "load") == 0;
    if (!loads && !(argc == 4 && strcmp(argv[1], "hold") == 0)) {
        fprintf(stderr, "usage: generator load URL CLIENTS WARMUP SECONDS [keep] [server-closes] [echo] [rate=N]\n"
                        "       generator hold URL CLIENTS\n");
        return 2;
    }
    for (int i = 6; i < argc; i++) {
        keep |= strcmp(argv[i], "keep") == 0;
        server_closes |= strcmp(argv[i], "server-closes") == 0;
        if (strcmp(argv[i], "echo") == 0)
            reply_size = LINE;
        if (strncmp(argv[i], "rate=", 5) == 0)
            rate = atof(argv[i] + 5);
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    parse_target(argv[2]);
    clients = atol(argv[3]);
    if (loads)
        load(atof(argv[4]), atof(argv[5]));
    else
        hold();
    fflush(stdout);
    _exit(0); /* and leave the clients where they are */
}
