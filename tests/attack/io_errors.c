/* Makes the calls of a process fail for files whose path has $IO_ERRORS_PATH in it, as a failing disk would.

   $IO_ERRORS_READ and $IO_ERRORS_WRITE: an errno for every call; "short" for one byte at a time; "interrupted" for EINTR
   at every second call. Written for tests on Linux. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int is_meant(int descriptor) {
    const char *wanted = getenv("IO_ERRORS_PATH");
    char link[64], path[4096];
    if (wanted == NULL) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, wanted) != NULL;
}

/* The size to go on with; -1 with errno set where the call fails. */
static ssize_t changed(const char *variable, int descriptor, size_t size) {
    static int calls;
    const char *how = getenv(variable);
    if (how == NULL || !is_meant(descriptor)) return (ssize_t)size;
    if (strcmp(how, "short") == 0) return size > 1 ? 1 : (ssize_t)size;
    if (strcmp(how, "interrupted") == 0) {
        if (calls++ % 2) return (ssize_t)size;
        errno = EINTR;
        return -1;
    }
    errno = atoi(how);
    return -1;
}

#define REAL(name) (name##_type)dlsym(RTLD_NEXT, #name)
typedef ssize_t (*read_type)(int, void *, size_t);
typedef ssize_t (*pread_type)(int, void *, size_t, off_t);
typedef ssize_t (*pread64_type)(int, void *, size_t, off_t);
typedef ssize_t (*write_type)(int, const void *, size_t);
typedef ssize_t (*pwrite_type)(int, const void *, size_t, off_t);
typedef ssize_t (*pwrite64_type)(int, const void *, size_t, off_t);
typedef ssize_t (*writev_type)(int, const struct iovec *, int);
typedef int (*fsync_type)(int);

ssize_t read(int descriptor, void *into, size_t size) {
    ssize_t left = changed("IO_ERRORS_READ", descriptor, size);
    return left < 0 ? -1 : (REAL(read))(descriptor, into, (size_t)left);
}

ssize_t pread(int descriptor, void *into, size_t size, off_t at) {
    ssize_t left = changed("IO_ERRORS_READ", descriptor, size);
    return left < 0 ? -1 : (REAL(pread))(descriptor, into, (size_t)left, at);
}

ssize_t pread64(int descriptor, void *into, size_t size, off_t at) {
    ssize_t left = changed("IO_ERRORS_READ", descriptor, size);
    return left < 0 ? -1 : (REAL(pread64))(descriptor, into, (size_t)left, at);
}

ssize_t write(int descriptor, const void *from, size_t size) {
    ssize_t left = changed("IO_ERRORS_WRITE", descriptor, size);
    return left < 0 ? -1 : (REAL(write))(descriptor, from, (size_t)left);
}

ssize_t pwrite(int descriptor, const void *from, size_t size, off_t at) {
    ssize_t left = changed("IO_ERRORS_WRITE", descriptor, size);
    return left < 0 ? -1 : (REAL(pwrite))(descriptor, from, (size_t)left, at);
}

ssize_t pwrite64(int descriptor, const void *from, size_t size, off_t at) {
    ssize_t left = changed("IO_ERRORS_WRITE", descriptor, size);
    return left < 0 ? -1 : (REAL(pwrite64))(descriptor, from, (size_t)left, at);
}

ssize_t writev(int descriptor, const struct iovec *from, int count) {
    if (changed("IO_ERRORS_WRITE", descriptor, 2) < 0) return -1;
    return (REAL(writev))(descriptor, from, count);
}

int fsync(int descriptor) {
    return changed("IO_ERRORS_WRITE", descriptor, 2) < 0 ? -1 : (REAL(fsync))(descriptor);
}
