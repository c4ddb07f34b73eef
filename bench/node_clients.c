/* Clients of a node, for bench/node.py: node_clients PORT CLIENTS REQUESTS MEAN_PAUSE_MICROSECONDS MESSAGE...
 *
 * Each client is a thread. It opens a connection, sends its message, reads the answer to its end, and pauses for a random
 * time between 0 and twice the mean. The clients' pauses differ, as those of separate programs do: with equal pauses,
 * clients that once met in a burst would meet in each round again. Prints the microseconds of each request, one a line,
 * from before connect(2) until the end of the answer. Exits with 1 after an answer without status 200. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in address;
static char **messages;
static int message_count;
static long requests, mean_pause;
static double *latencies;
static atomic_long taken;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1e6 * (double)time.tv_sec + (double)time.tv_nsec / 1e3;
}

static void ask(const char *message) {
    char answer[65536];
    size_t received = 0;
    ssize_t piece;
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof address) != 0 ||
        send(client, message, strlen(message), 0) != (ssize_t)strlen(message)) {
        perror("a request was not sent");
        exit(1);
    }
    while ((piece = recv(client, answer + received, sizeof answer - received, 0)) > 0)
        received += (size_t)piece;
    close(client);
    if (received < 12 || memcmp(answer, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "the answer is %.*s\n", (int)(received < 200 ? received : 200), answer);
        exit(1);
    }
}

static void *run(void *argument) {
    unsigned seed = (unsigned)(size_t)argument;
    const char *message = messages[seed % (unsigned)message_count];
    long number;
    for (;;) {
        usleep((useconds_t)(2.0 * (double)mean_pause * rand_r(&seed) / RAND_MAX));
        if ((number = atomic_fetch_add(&taken, 1)) >= requests)
            return NULL;
        double start = now();
        ask(message);
        latencies[number] = now() - start;
    }
}

int main(int count, char **arguments) {
    if (count < 6) {
        fprintf(stderr, "usage: node_clients PORT CLIENTS REQUESTS MEAN_PAUSE_MICROSECONDS MESSAGE...\n");
        return 2;
    }
    address.sin_family = AF_INET;
    address.sin_port = htons((unsigned short)atoi(arguments[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    long clients = atol(arguments[2]);
    requests = atol(arguments[3]);
    mean_pause = atol(arguments[4]);
    messages = arguments + 5;
    message_count = count - 5;
    latencies = calloc((size_t)requests, sizeof *latencies);
    pthread_t *threads = calloc((size_t)clients, sizeof *threads);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 262144);
    for (long number = 0; number < clients; number++)
        if (pthread_create(&threads[number], &small, run, (void *)(size_t)(number + 1)) != 0) {
            fprintf(stderr, "a client could not start\n");
            return 1;
        }
    for (long number = 0; number < clients; number++)
        pthread_join(threads[number], NULL);
    for (long number = 0; number < requests; number++)
        printf("%.1f\n", latencies[number]);
    return 0;
}
