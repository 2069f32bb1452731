/* Stands between a process and libc (LD_PRELOAD): records what is written below one folder, and lets a chosen call fail.
 *
 * A record is: kind (1 byte), handle (4), number (8), length of the text (4), text; all in this machine's byte order.
 * The kinds and what handle, number and text mean are listed in recording.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536
#define REAL(name) ((__typeof__(&name))real(#name))

enum kind { OPENED = 1, WROTE, TRUNCATED, SYNCED, SYNC_FAILED, RENAMED, UNLINKED, MADE_FOLDER, MARKED, FAILED };
enum class { WRITE, SYNC, NET, CLASSES };
enum manner { ONCE, ONWARD, AFTERWARDS, HALFWAY };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[4096];
static size_t folder_length;
static int record_to = -1;
static int32_t handles[FDS], last_handle;
static char on_network[FDS];
static long calls[CLASSES], failing_call;
static int failing_class = -1, failing_errno, failing_manner;

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) abort();
    return found;
}

static void record(enum kind kind, int32_t handle, int64_t number, const void *text, uint32_t length) {
    char head[17];
    struct iovec parts[2] = {{head, sizeof head}, {(void *)text, length}};
    if (record_to < 0) return;
    head[0] = (char)kind;
    memcpy(head + 1, &handle, 4);
    memcpy(head + 5, &number, 8);
    memcpy(head + 13, &length, 4);
    if (syscall(SYS_writev, record_to, parts, 2) != (long)(sizeof head + length)) abort();
}

static int is_watched(const char *path) {
    return folder_length && !strncmp(path, folder, folder_length) &&
           (path[folder_length] == '/' || path[folder_length] == 0);
}

static int32_t handle_of(int fd) { return fd >= 0 && fd < FDS ? handles[fd] : 0; }

static int is_network(int fd) { return fd >= 0 && fd < FDS && on_network[fd]; }

/* Count the call; return whether it is to fail. */
static int fails(enum class class, const char *name) {
    long call = ++calls[class];
    if ((int)class != failing_class) return 0;
    if (call != failing_call && (call < failing_call || failing_manner != ONWARD)) return 0;
    record(FAILED, class, call, name, strlen(name));
    return 1;
}

static int fail(void) {
    errno = failing_errno;
    return -1;
}

static int does_it_first(void) { return failing_manner == AFTERWARDS; }

/* What the harness calls. */

void shim_record(const char *path, int descriptor) {
    pthread_mutex_lock(&lock);
    snprintf(folder, sizeof folder, "%s", path);
    folder_length = strlen(folder);
    record_to = descriptor;
    last_handle = 0;
    memset(handles, 0, sizeof handles);
    pthread_mutex_unlock(&lock);
}

void shim_fail(int class, long call, int error, int manner) {
    pthread_mutex_lock(&lock);
    memset(calls, 0, sizeof calls);
    failing_class = class;
    failing_call = call;
    failing_errno = error;
    failing_manner = manner;
    pthread_mutex_unlock(&lock);
}

long shim_calls(int class) { return calls[class]; }

void shim_mark(const char *text) {
    pthread_mutex_lock(&lock);
    record(MARKED, 0, 0, text, strlen(text));
    pthread_mutex_unlock(&lock);
}

/* Files. */

static int opened(int (*open_it)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    struct stat before;
    int fd, creates;
    if (!is_watched(path)) {
        fd = open_it(path, flags, mode);
        if (fd >= 0 && fd < FDS) handles[fd] = on_network[fd] = 0;
        return fd;
    }
    pthread_mutex_lock(&lock);
    creates = (flags & O_CREAT) && stat(path, &before) != 0;
    if (creates && fails(WRITE, "open")) {
        pthread_mutex_unlock(&lock);
        return fail();
    }
    fd = open_it(path, flags, mode);
    if (fd >= 0 && fd < FDS) {
        handles[fd] = ++last_handle;
        on_network[fd] = 0;
        record(OPENED, last_handle, (creates ? 1 : 0) | (flags & O_TRUNC ? 2 : 0), path, strlen(path));
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static mode_t mode_in(int flags, va_list more) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; }

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list more;                                                                                                  \
        mode_t mode;                                                                                                   \
        va_start(more, flags);                                                                                         \
        mode = mode_in(flags, more);                                                                                   \
        va_end(more);                                                                                                  \
        return opened(REAL(name), path, flags, mode);                                                                  \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    if (fd >= 0 && fd < FDS) handles[fd] = on_network[fd] = 0;
    return REAL(close)(fd);
}

static int64_t place(int fd) {
    struct stat found;
    if (fcntl(fd, F_GETFL) & O_APPEND) return fstat(fd, &found) == 0 ? found.st_size : 0;
    return lseek(fd, 0, SEEK_CUR);
}

/* Write it all, or as much of it as the fault lets through. */
static ssize_t wrote(int fd, const void *bytes, size_t length, int64_t at, int moves) {
    ssize_t done;
    int failing;
    pthread_mutex_lock(&lock);
    failing = fails(WRITE, "write");
    if (failing) length = does_it_first() ? length : failing_manner == HALFWAY ? length / 2 : 0;
    if (moves) at = place(fd);
    done = failing && !length ? 0 : moves ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, at);
    if (done > 0) record(WROTE, handle_of(fd), at, bytes, done);
    pthread_mutex_unlock(&lock);
    return failing ? fail() : done;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    return handle_of(fd) ? wrote(fd, bytes, length, 0, 1) : REAL(write)(fd, bytes, length);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    return handle_of(fd) ? wrote(fd, bytes, length, at, 0) : REAL(pwrite)(fd, bytes, length, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    return handle_of(fd) ? wrote(fd, bytes, length, at, 0) : REAL(pwrite64)(fd, bytes, length, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t all = 0, done;
    if (!handle_of(fd)) return REAL(writev)(fd, parts, count);
    for (int i = 0; i < count; i++) {
        done = wrote(fd, parts[i].iov_base, parts[i].iov_len, 0, 1);
        if (done < 0) return all ? all : done;
        all += done;
    }
    return all;
}

static int truncated(int fd, int64_t length) {
    int failing, done = 0;
    pthread_mutex_lock(&lock);
    failing = fails(WRITE, "ftruncate");
    if (!failing || does_it_first()) {
        done = syscall(SYS_ftruncate, fd, length);
        if (done == 0) record(TRUNCATED, handle_of(fd), length, "", 0);
    }
    pthread_mutex_unlock(&lock);
    return failing ? fail() : done;
}

int ftruncate(int fd, off_t length) { return handle_of(fd) ? truncated(fd, length) : REAL(ftruncate)(fd, length); }

int ftruncate64(int fd, off64_t length) { return handle_of(fd) ? truncated(fd, length) : REAL(ftruncate64)(fd, length); }

/* The real disk is spared: what would have been on it is known from the record. */
static int synced(int fd) {
    int failing;
    pthread_mutex_lock(&lock);
    failing = fails(SYNC, "fsync");
    record(failing && !does_it_first() ? SYNC_FAILED : SYNCED, handle_of(fd), 0, "", 0);
    pthread_mutex_unlock(&lock);
    return failing ? fail() : 0;
}

int fsync(int fd) { return handle_of(fd) ? synced(fd) : REAL(fsync)(fd); }

int fdatasync(int fd) { return handle_of(fd) ? synced(fd) : REAL(fdatasync)(fd); }

/* Names. */

static int renamed(const char *from, const char *to) {
    char both[8192];
    int failing, done = 0;
    pthread_mutex_lock(&lock);
    failing = fails(WRITE, "rename");
    if (!failing || does_it_first()) {
        done = REAL(rename)(from, to);
        if (done == 0) record(RENAMED, 0, 0, both, snprintf(both, sizeof both, "%s\n%s", from, to));
    }
    pthread_mutex_unlock(&lock);
    return failing ? fail() : done;
}

int rename(const char *from, const char *to) {
    return is_watched(from) || is_watched(to) ? renamed(from, to) : REAL(rename)(from, to);
}

static int changed_name(int (*change)(const char *), const char *path, const char *name) {
    int failing, done = 0;
    pthread_mutex_lock(&lock);
    failing = fails(WRITE, name);
    if (!failing || does_it_first()) {
        done = change(path);
        if (done == 0) record(UNLINKED, 0, 0, path, strlen(path));
    }
    pthread_mutex_unlock(&lock);
    return failing ? fail() : done;
}

int unlink(const char *path) {
    return is_watched(path) ? changed_name(REAL(unlink), path, "unlink") : REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode) {
    int failing, done = 0;
    if (!is_watched(path)) return REAL(mkdir)(path, mode);
    pthread_mutex_lock(&lock);
    failing = fails(WRITE, "mkdir");
    if (!failing || does_it_first()) {
        done = REAL(mkdir)(path, mode);
        if (done == 0) record(MADE_FOLDER, 0, 0, path, strlen(path));
    }
    pthread_mutex_unlock(&lock);
    return failing ? fail() : done;
}

/* The network: only sockets that lead somewhere, not those by which a process wakes itself. */

int socket(int domain, int type, int protocol) {
    int fd = REAL(socket)(domain, type, protocol);
    if (fd >= 0 && fd < FDS) {
        handles[fd] = 0;
        on_network[fd] = domain == AF_INET || domain == AF_INET6;
    }
    return fd;
}

static int fails_on_network(const char *name) {
    int failing;
    pthread_mutex_lock(&lock);
    failing = fails(NET, name);
    pthread_mutex_unlock(&lock);
    return failing;
}

#define NETWORK(type, name, parameters, arguments)                                                                     \
    type name parameters {                                                                                             \
        if (is_network(fd) && fails_on_network(#name)) {                                                               \
            if (does_it_first()) REAL(name) arguments;                                                                 \
            return fail();                                                                                             \
        }                                                                                                              \
        return REAL(name) arguments;                                                                                   \
    }
NETWORK(int, connect, (int fd, const struct sockaddr *to, socklen_t size), (fd, to, size))
NETWORK(ssize_t, send, (int fd, const void *bytes, size_t length, int flags), (fd, bytes, length, flags))
NETWORK(ssize_t, sendto, (int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t size),
        (fd, bytes, length, flags, to, size))
NETWORK(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
NETWORK(ssize_t, recv, (int fd, void *bytes, size_t length, int flags), (fd, bytes, length, flags))
NETWORK(ssize_t, recvfrom, (int fd, void *bytes, size_t length, int flags, struct sockaddr *from, socklen_t *size),
        (fd, bytes, length, flags, from, size))
NETWORK(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
