/* A throw-away client of the agent, for bench/launcher.py: client STAMP ADDRESS WORD... -- PROGRAM
 *
 * It sends the request of `dsops exec WORD... -- PROGRAM` and becomes the program with the variables that come back. It
 * checks nothing, and does no other command: its time is that of the agent, of two starts of a program and of a socket.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;
static char request[1 << 20], answer[1 << 20];
static size_t filled = 5;

static void field(const char *text) {
    size_t length = strlen(text);
    uint32_t big = htonl((uint32_t)length);
    memcpy(request + filled, &big, 4);
    memcpy(request + filled + 4, text, length);
    filled += 4 + length;
}

static void all(int connection, char *data, size_t length) {
    for (ssize_t part; length; data += part, length -= (size_t)part)
        if ((part = read(connection, data, length)) <= 0)
            exit(1);
}

int main(int count, char **words) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[4096], number[16], *variables[4096];
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), kept = 0;
    strncpy(address.sun_path, words[2], sizeof address.sun_path - 1);
    field(words[1]);
    field(getcwd(folder, sizeof folder));
    field("");
    snprintf(number, sizeof number, "%d", count - 2);
    field(number);
    field("exec");
    for (int index = 3; index < count; index++)
        field(words[index]);
    for (char **variable = environ; *variable; variable++)
        field(*variable);
    uint32_t length = htonl((uint32_t)(filled - 5));
    request[0] = 'R';
    memcpy(request + 1, &length, 4);
    if (connect(connection, (struct sockaddr *)&address, sizeof address) || write(connection, request, filled) < 0)
        return 1;
    do {
        all(connection, request, 5);
        memcpy(&length, request + 1, 4);
        length = ntohl(length);
        all(connection, answer, length);
    } while (request[0] != 'X');
    for (uint32_t place = 0, size; place < length; place += 4 + size) {
        memcpy(&size, answer + place, 4);
        size = ntohl(size);
        memset(answer + place, 0, 4); /* ends the field before */
        variables[kept++] = answer + place + 4;
    }
    answer[length] = 0;
    variables[kept] = NULL;
    execve(words[count - 1], words + count - 1, variables);
    return 1;
}
