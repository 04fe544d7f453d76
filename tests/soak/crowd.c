/* Clients of the timestamp service, a connection a line, of which some misbehave.
   Usage: crowd PORT CONNECTIONS CLIENTS FAULTS_PER_MILLE
   Prints for each kind of client how many there were and how many did not get what they should.
   Each client has a source address of its own in 127/8: one alone would run out of ports. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum kind { ORDERLY, HALF_CLOSE, RESET, FLOOD, SLOW, KINDS };
static const char *const names[KINDS] = {"orderly", "half_close", "reset", "flood", "slow"};

static atomic_long left, came[KINDS], failed[KINDS];
static int port, faults;
static char flood[100000];

static int open_connection(int number)
{
    struct sockaddr_in here = {.sin_family = AF_INET}, there = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    here.sin_addr.s_addr = htonl(0x7f000002 + number);
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    bind(fd, (struct sockaddr *)&here, sizeof here);
    if (connect(fd, (struct sockaddr *)&there, sizeof there) == 0)
        return fd;
    close(fd);
    return -1;
}

static int say(int fd, const char *text, size_t size)
{
    return send(fd, text, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* Whether all that comes until the end has this ending. */
static int hears(int fd, const char *ending)
{
    char reply[512];
    ssize_t size;
    size_t all = 0, length = strlen(ending);
    while (all < sizeof reply && (size = recv(fd, reply + all, sizeof reply - all, 0)) > 0)
        all += size;
    return size == 0 && all >= length && !memcmp(reply + all - length, ending, length);
}

static int behave(enum kind kind, int fd)
{
    struct linger hard = {1, 0};
    switch (kind) {
    case ORDERLY:
        return say(fd, "hello world\r\n", 13) && hears(fd, "] hello world\r\n");
    case HALF_CLOSE:
        return say(fd, "no ending", 9) && !shutdown(fd, SHUT_WR) && hears(fd, "] no ending");
    case RESET:
        return say(fd, "half", 4) && !setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    case FLOOD:
        return say(fd, flood, sizeof flood) && hears(fd, "ERR line too long\r\n");
    default:
        for (int i = 0; i < 200; i++) {
            char byte;
            if (!say(fd, "x", 1) || recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
                break;
            usleep(20000);
        }
        return hears(fd, "ERR timeout\r\n");
    }
}

static void *client(void *argument)
{
    long number = (long)argument;
    unsigned seed = number;
    while (atomic_fetch_sub(&left, 1) > 0) {
        enum kind kind = rand_r(&seed) % 1000 < faults ? HALF_CLOSE + rand_r(&seed) % (KINDS - 1) : ORDERLY;
        int fd = open_connection(number);
        came[kind]++;
        if (fd < 0 || !behave(kind, fd))
            failed[kind]++;
        if (fd >= 0)
            close(fd);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: crowd PORT CONNECTIONS CLIENTS FAULTS_PER_MILLE\n");
        return 2;
    }
    int clients = atoi(argv[3]);
    pthread_t threads[clients];
    port = atoi(argv[1]);
    left = atol(argv[2]);
    faults = atoi(argv[4]);
    memset(flood, 'x', sizeof flood);
    for (long i = 0; i < clients; i++)
        pthread_create(&threads[i], NULL, client, (void *)i);
    for (int i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < KINDS; i++)
        printf("%s %ld %ld\n", names[i], came[i], failed[i]);
    return 0;
}
