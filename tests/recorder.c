/* Preloaded into a process: records, in order and with the bytes, what it changes below $RECORDED_ROOT, and makes its
 * wall clock wrong by the nanoseconds that the file $SHIFTED_CLOCK holds.
 *
 * A record is the struct below in host order, two paths and the data. One lock holds each call and its record
 * together, so that the order in the file is the order in which the kernel saw the calls. What is written through
 * mmap is not seen: of SQLite's files, that is only the -shm, which need not survive a power cut and is left out.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct record {
    int64_t time, offset;
    int32_t pid, fd, flags;
    uint32_t path, other, data;
    char kind;
    char padding[7];
};

#define MOST_FILES 65536
#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char recorded[MOST_FILES];
static const char *root;
static size_t root_length;
static int record_fd = -1;
static volatile int64_t *shift;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("RECORD"), *clock = getenv("SHIFTED_CLOCK");
    root = getenv("RECORDED_ROOT");
    if (root && path) {
        root_length = strlen(root);
        record_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        record_fd = fcntl(record_fd, F_DUPFD_CLOEXEC, 900);
    }
    if (clock) {
        int fd = open(clock, O_RDONLY | O_CLOEXEC);
        void *mapped = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);
        shift = mapped == MAP_FAILED ? NULL : mapped;
        close(fd);
    }
}

/* The root, what is below it but for -shm, and the directory that the root is in. */
static int is_ours(const char *path)
{
    const char *slash = root ? strrchr(root, '/') : NULL;
    size_t length = path ? strlen(path) : 0;
    if (record_fd < 0 || !slash || length < 4 || !strcmp(path + length - 4, "-shm"))
        return 0;
    if (!strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]))
        return 1;
    return length == (size_t)(slash - root) && !strncmp(path, root, slash - root);
}

static int is_recorded(int fd)
{
    return fd >= 0 && fd < MOST_FILES && recorded[fd];
}

static void put(char kind, int fd, int flags, int64_t offset, const char *path, const char *other, const void *data,
                size_t size)
{
    struct timespec now;
    int before = errno;
    struct record record = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    record.time = now.tv_sec * 1000000000LL + now.tv_nsec;
    record.kind = kind;
    record.pid = getpid();
    record.fd = fd;
    record.flags = flags;
    record.offset = offset;
    record.path = path ? strlen(path) : 0;
    record.other = other ? strlen(other) : 0;
    record.data = size;
    struct iovec parts[] = {
        {&record, sizeof record}, {(void *)path, record.path}, {(void *)other, record.other}, {(void *)data, size},
    };
    if (writev(record_fd, parts, 4) != (ssize_t)(sizeof record + record.path + record.other + size))
        abort(); /* a record with holes would prove nothing */
    errno = before;
}

static int opened(int fd, const char *path, int flags)
{
    if (fd >= 0 && fd < MOST_FILES) {
        recorded[fd] = is_ours(path);
        if (recorded[fd])
            put('o', fd, flags, 0, path, NULL, NULL, 0);
    }
    return fd;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        REAL(name); \
        if (!is_ours(path)) \
            return opened(real(path, flags, mode), NULL, flags); \
        pthread_mutex_lock(&lock); \
        int fd = opened(real(path, flags, mode), path, flags); \
        pthread_mutex_unlock(&lock); \
        return fd; \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int directory, const char *path, int flags, ...) \
    { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        REAL(name); \
        pthread_mutex_lock(&lock); \
        int fd = opened(real(directory, path, flags, mode), path, flags); \
        pthread_mutex_unlock(&lock); \
        return fd; \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd)
{
    REAL(close);
    if (!is_recorded(fd))
        return real(fd);
    pthread_mutex_lock(&lock);
    recorded[fd] = 0;
    put('c', fd, 0, 0, NULL, NULL, NULL, 0);
    int result = real(fd);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t write(int fd, const void *data, size_t size)
{
    REAL(write);
    if (!is_recorded(fd))
        return real(fd, data, size);
    pthread_mutex_lock(&lock);
    ssize_t written = real(fd, data, size);
    if (written > 0)
        put('w', fd, 0, lseek(fd, 0, SEEK_CUR) - written, NULL, NULL, data, written);
    pthread_mutex_unlock(&lock);
    return written;
}

#define PWRITE(name, offset_type) \
    ssize_t name(int fd, const void *data, size_t size, offset_type offset) \
    { \
        REAL(name); \
        if (!is_recorded(fd)) \
            return real(fd, data, size, offset); \
        pthread_mutex_lock(&lock); \
        ssize_t written = real(fd, data, size, offset); \
        if (written > 0) \
            put('w', fd, 0, offset, NULL, NULL, data, written); \
        pthread_mutex_unlock(&lock); \
        return written; \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* A call that changes a file by its descriptor or its name, recorded where it succeeded. */
#define CALL(name, parameters, arguments, ours, recording) \
    int name parameters \
    { \
        REAL(name); \
        if (!(ours)) \
            return real arguments; \
        pthread_mutex_lock(&lock); \
        int result = real arguments; \
        if (!result) \
            recording; \
        pthread_mutex_unlock(&lock); \
        return result; \
    }
CALL(fsync, (int fd), (fd), is_recorded(fd), put('s', fd, 0, 0, NULL, NULL, NULL, 0))
CALL(fdatasync, (int fd), (fd), is_recorded(fd), put('s', fd, 0, 0, NULL, NULL, NULL, 0))
CALL(ftruncate, (int fd, off_t size), (fd, size), is_recorded(fd), put('t', fd, 0, size, NULL, NULL, NULL, 0))
CALL(ftruncate64, (int fd, off64_t size), (fd, size), is_recorded(fd), put('t', fd, 0, size, NULL, NULL, NULL, 0))
CALL(unlink, (const char *path), (path), is_ours(path), put('u', -1, 0, 0, path, NULL, NULL, 0))
CALL(mkdir, (const char *path, mode_t mode), (path, mode), is_ours(path), put('m', -1, 0, 0, path, NULL, NULL, 0))
CALL(rename, (const char *old, const char *new), (old, new), is_ours(old), put('r', -1, 0, 0, old, new, NULL, 0))

int clock_gettime(clockid_t clock, struct timespec *now)
{
    REAL(clock_gettime);
    int result = real(clock, now);
    if (!result && clock == CLOCK_REALTIME && shift) {
        int64_t time = now->tv_sec * 1000000000LL + now->tv_nsec + *shift;
        now->tv_sec = time / 1000000000LL;
        now->tv_nsec = time % 1000000000LL;
    }
    return result;
}
