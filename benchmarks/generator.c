/* Closed-loop load: CLIENTS threads, each sends a line and waits for its reply, on a new connection or a kept one.
   Usage: generator PORT CLIENTS SECONDS [keep]; prints the exchanges a second and the errors.
   Each client has a source address of its own in 127/8: one alone would run out of ports. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 4096 };

static const char line[] = "hello world\r\n";
static int port, keep;
static volatile int stop;
static long answered[MOST], failed[MOST];

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

static int exchange(int fd)
{
    char reply[512];
    ssize_t size, all = 0;
    if (send(fd, line, sizeof line - 1, MSG_NOSIGNAL) != sizeof line - 1)
        return 0;
    while ((size = recv(fd, reply, sizeof reply, 0)) > 0) {
        all += size;
        if (keep && reply[size - 1] == '\n')
            return 1;
    }
    return !keep && all > (ssize_t)sizeof line;
}

static void *client(void *argument)
{
    long number = (long)argument;
    int fd = -1;
    while (!stop) {
        if (fd < 0 && (fd = open_connection(number)) < 0) {
            failed[number]++;
            usleep(1000);
            continue;
        }
        int ok = exchange(fd);
        (ok ? answered : failed)[number]++;
        if (!keep || !ok) {
            close(fd);
            fd = -1;
        }
    }
    return NULL;
}

static long sum(const long *counts)
{
    long all = 0;
    for (int i = 0; i < MOST; i++)
        all += counts[i];
    return all;
}

int main(int argc, char **argv)
{
    if (argc < 4 || atoi(argv[2]) > MOST) {
        fprintf(stderr, "usage: generator PORT CLIENTS SECONDS [keep]\n");
        return 2;
    }
    port = atoi(argv[1]);
    keep = argc > 4;
    for (long i = 0; i < atoi(argv[2]); i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, client, (void *)i);
    }
    usleep(500000);
    long before = sum(answered);
    usleep(atof(argv[3]) * 1e6);
    printf("%.0f %ld\n", (sum(answered) - before) / atof(argv[3]), sum(failed));
    fflush(stdout);
    _exit(0);
}
