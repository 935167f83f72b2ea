/* Moves the wall clock of every process that loads it by the seconds that SHIFTED_CLOCK names; monotonic clocks stay.
   What the kernel dates by its own clock, the times of files, is moved alike where it is read. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t shift;

__attribute__((constructor)) static void begin(void) {
    const char *seconds = getenv("SHIFTED_CLOCK");
    shift = seconds ? atoll(seconds) : 0;
}

int clock_gettime(clockid_t id, struct timespec *t) {
    int done = syscall(SYS_clock_gettime, id, t);
    if (!done && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += shift;
    return done;
}

int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

static int moved(int done, struct stat *s) {
    if (!done) {
        s->st_atim.tv_sec += shift;
        s->st_mtim.tv_sec += shift;
        s->st_ctim.tv_sec += shift;
    }
    return done;
}

int fstatat(int folder, const char *path, struct stat *s, int flags) {
    return moved(syscall(SYS_newfstatat, folder, path, s, flags), s);
}
int fstat(int file, struct stat *s) { return moved(syscall(SYS_fstat, file, s), s); }
int stat(const char *path, struct stat *s) { return fstatat(AT_FDCWD, path, s, 0); }
int lstat(const char *path, struct stat *s) { return fstatat(AT_FDCWD, path, s, AT_SYMLINK_NOFOLLOW); }

/* On 64-bit Linux the two structures are one. */
int fstatat64(int folder, const char *path, struct stat64 *s, int flags) { return fstatat(folder, path, (struct stat *)s, flags); }
int fstat64(int file, struct stat64 *s) { return fstat(file, (struct stat *)s); }
int stat64(const char *path, struct stat64 *s) { return stat(path, (struct stat *)s); }
int lstat64(const char *path, struct stat64 *s) { return lstat(path, (struct stat *)s); }

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *s) {
    int done = syscall(SYS_statx, folder, path, flags, mask, s);
    if (!done) {
        s->stx_atime.tv_sec += shift;
        s->stx_mtime.tv_sec += shift;
        s->stx_ctime.tv_sec += shift;
        s->stx_btime.tv_sec += shift;
    }
    return done;
}
