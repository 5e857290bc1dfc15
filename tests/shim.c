/* Preloaded into a daemon: makes its reads, writes and fsyncs of named files fail, and its wall clock leap.
 *
 * What fails is said, while it runs, by the mapped file that $NETWATCHD_SHIM names: see shim.py.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
    int64_t leap;      /* seconds by which the wall clock is off */
    int32_t on_read;   /* the errno that calls fail with, or 0 */
    int32_t on_write;
    int32_t on_fsync;
    int32_t failed;    /* how many calls have failed so far */
    int64_t beyond;    /* only reads and writes at this offset, or further on */
    char files[64];    /* what the path of a file that fails contains */
};

static volatile struct control *control;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("NETWATCHD_SHIM");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        control = mapped;
}

static int fails(int error, int fd, int64_t at)
{
    char link[32], path[4096];
    if (!error || at < control->beyond)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return 0;
    path[size] = 0;
    if (!strstr(path, (const char *)control->files))
        return 0;
    __sync_fetch_and_add(&control->failed, 1);
    errno = error;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WHEN(what) (control ? control->what : 0)

#define POSITIONED(name, buffer, offset_type, what) \
    ssize_t name(int fd, buffer data, size_t size, offset_type at) \
    { return fails(WHEN(what), fd, at) ? -1 : REAL(name)(fd, data, size, at); }
#define PLAIN(name, buffer, what) \
    ssize_t name(int fd, buffer data, size_t size) { return fails(WHEN(what), fd, INT64_MAX) ? -1 : REAL(name)(fd, data, size); }
#define SYNC(name) \
    int name(int fd) { return fails(WHEN(on_fsync), fd, INT64_MAX) ? -1 : REAL(name)(fd); }

POSITIONED(pread, void *, off_t, on_read)
POSITIONED(pread64, void *, off64_t, on_read)
POSITIONED(pwrite, const void *, off_t, on_write)
POSITIONED(pwrite64, const void *, off64_t, on_write)
PLAIN(read, void *, on_read)
PLAIN(write, const void *, on_write)
SYNC(fsync)
SYNC(fdatasync)

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int answer = REAL(clock_gettime)(clock, now);
    if (!answer && clock == CLOCK_REALTIME)
        now->tv_sec += WHEN(leap);
    return answer;
}

time_t time(time_t *now)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now)
        *now = exact.tv_sec;
    return exact.tv_sec;
}

/* Nobody keeps this clock in time: TIME_ERROR. */
int adjtimex(void *timex)
{
    return 5;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    int answer = REAL(gettimeofday)(now, zone);
    if (!answer)
        now->tv_sec += WHEN(leap);
    return answer;
}
