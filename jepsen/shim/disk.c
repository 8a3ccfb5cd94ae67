/* A disk that forgets: preloaded into a node, it keeps beside the real data
 * directory (the root) what a power loss would leave of it (the mirror).
 *
 * Model, the weakest that POSIX allows: a file's bytes and length are durable
 * when fsync, fdatasync, syncfs or sync returned; a name in a directory is
 * durable when the directory was fsynced, or by syncfs or sync. Nothing else
 * is: not sync_file_range, not time. The mirror holds
 *
 *   data/<inode>   durable bytes of a file
 *   dirs/<inode>   durable listing of a directory: lines of "f|d <inode> <name>"
 *   grave/<inode>  a link to each deleted file, so that no inode number returns
 *
 * Files in the control directory switch faults on while they exist:
 *
 *   eio      syncing fails, and what was to be synced is forgotten, as Linux does
 *   lie      syncing succeeds and does nothing: a planted bug
 *   full     writes that need space fail
 *   verify   syncfs compares every file with its mirror, and some syncs the
 *            file they sync; differences, which mean that a write passed unseen,
 *            are listed in the file `missed`, comparisons in `compared`
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536
#define BUCKETS 4096
#define RANGES 4096

struct range { off_t start, end; };

struct file {
    ino_t ino;
    int whole; /* every byte may have changed */
    int known; /* its mirror exists */
    size_t count;
    struct range ranges[RANGES];
    struct file *next;
};

struct open_file { ino_t ino; char is_dir, syncs; };

static char root[PATH_MAX], mirror[PATH_MAX], control[PATH_MAX];
static size_t root_len;
static struct open_file fds[FDS];
static struct file *files[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int active;

#define REAL(name) real_##name
#define DECLARE(result, name, ...) static result (*REAL(name))(__VA_ARGS__)
DECLARE(int, openat, int, const char *, int, ...);
DECLARE(int, close, int);
DECLARE(ssize_t, write, int, const void *, size_t);
DECLARE(ssize_t, writev, int, const struct iovec *, int);
DECLARE(ssize_t, pwrite, int, const void *, size_t, off_t);
DECLARE(ssize_t, pwritev, int, const struct iovec *, int, off_t);
DECLARE(ssize_t, pwritev2, int, const struct iovec *, int, off_t, int);
DECLARE(ssize_t, copy_file_range, int, off_t *, int, off_t *, size_t, unsigned);
DECLARE(ssize_t, sendfile, int, int, off_t *, size_t);
DECLARE(int, ftruncate, int, off_t);
DECLARE(int, fallocate, int, int, off_t, off_t);
DECLARE(void *, mmap, void *, size_t, int, int, int, off_t);
DECLARE(int, unlinkat, int, const char *, int);
DECLARE(int, renameat2, int, const char *, int, const char *, unsigned);
DECLARE(int, dup, int);
DECLARE(int, dup3, int, int, int);
DECLARE(int, fcntl, int, int, ...);

static void bind_real(void) {
#define BIND(name) *(void **)&REAL(name) = dlsym(RTLD_NEXT, #name)
    BIND(openat); BIND(close); BIND(write); BIND(writev); BIND(pwrite); BIND(pwritev);
    BIND(pwritev2); BIND(copy_file_range); BIND(sendfile); BIND(ftruncate); BIND(fallocate);
    BIND(mmap); BIND(unlinkat); BIND(renameat2); BIND(dup); BIND(dup3); BIND(fcntl);
}

static void die(const char *what) {
    dprintf(2, "disk shim: %s: %s\n", what, strerror(errno));
    abort();
}

static int fault(const char *name) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", control, name);
    return access(path, F_OK) == 0;
}

/* ---- what is ours ---- */

static int is_inside(const char *path) {
    return strncmp(path, root, root_len) == 0 && (path[root_len] == '/' || path[root_len] == 0);
}

static int ours(int fd) { return active && fd >= 0 && fd < FDS && fds[fd].ino; }

static int ours_file(int fd) { return ours(fd) && !fds[fd].is_dir; }

static void adopt(int fd, int flags) {
    char link[64], path[PATH_MAX];
    struct stat stat;
    if (!active || fd < 0 || fd >= FDS) return;
    fds[fd].ino = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return;
    path[length] = 0;
    if (!is_inside(path) || fstat(fd, &stat)) return;
    if (!S_ISREG(stat.st_mode) && !S_ISDIR(stat.st_mode)) return;
    fds[fd].is_dir = S_ISDIR(stat.st_mode);
    fds[fd].syncs = (flags & (O_SYNC | O_DSYNC)) != 0;
    fds[fd].ino = stat.st_ino;
}

static struct file *find(ino_t ino) {
    struct file **slot = &files[ino % BUCKETS];
    for (struct file *file = *slot; file; file = file->next)
        if (file->ino == ino) return file;
    struct file *file = calloc(1, sizeof *file);
    if (!file) die("calloc");
    file->ino = ino;
    file->next = *slot;
    return *slot = file;
}

static void dirty(int fd, off_t start, off_t end) {
    struct file *file = find(fds[fd].ino);
    if (start >= end || file->whole) return;
    if (file->count) {
        struct range *last = &file->ranges[file->count - 1];
        if (start <= last->end && end >= last->start) {
            if (start < last->start) last->start = start;
            if (end > last->end) last->end = end;
            return;
        }
    }
    if (file->count == RANGES) { file->whole = 1; return; }
    file->ranges[file->count++] = (struct range){start, end};
}

/* ---- making durable ---- */

static int mirror_open(const char *kind, ino_t ino, const char *end, int flags) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s/%ju%s", mirror, kind, (uintmax_t)ino, end);
    int fd = REAL(openat)(AT_FDCWD, path, flags | O_CLOEXEC, 0600);
    if (fd < 0) die(path);
    return fd;
}

static void copy(int from, int to, off_t start, off_t end) {
    static char buffer[1 << 20];
    while (start < end) {
        size_t want = (size_t)(end - start) < sizeof buffer ? (size_t)(end - start) : sizeof buffer;
        ssize_t got = pread(from, buffer, want, start);
        if (got < 0) die("pread");
        if (got == 0) return;
        if (REAL(pwrite)(to, buffer, (size_t)got, start) != got) die("mirror pwrite");
        start += got;
    }
}

/* `from` may be write-only or deleted: it is opened anew. */
static void sync_file(ino_t ino, int from) {
    struct file *file = find(ino);
    struct stat stat;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", from);
    int source = REAL(openat)(AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    if (source < 0 || fstat(source, &stat)) die("reopen");
    int target = mirror_open("data", ino, "", O_WRONLY | O_CREAT);
    if (file->whole || !file->known) {
        copy(source, target, 0, stat.st_size);
    } else {
        for (size_t i = 0; i < file->count; i++)
            copy(source, target, file->ranges[i].start, file->ranges[i].end);
    }
    if (REAL(ftruncate)(target, stat.st_size)) die("mirror ftruncate");
    file->whole = 0;
    file->count = 0;
    file->known = 1;
    REAL(close)(target);
    REAL(close)(source);
}

static void sync_dir(ino_t ino, DIR *listing) {
    char path[PATH_MAX + 64], durable[PATH_MAX + 64];
    FILE *target = fdopen(mirror_open("dirs", ino, ".new", O_WRONLY | O_CREAT | O_TRUNC), "w");
    if (!target) die("fdopen");
    struct dirent *entry;
    while ((entry = readdir(listing))) {
        struct stat stat;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (fstatat(dirfd(listing), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW)) continue;
        fprintf(target, "%c %ju %s\n", S_ISDIR(stat.st_mode) ? 'd' : 'f',
                (uintmax_t)stat.st_ino, entry->d_name);
    }
    if (fclose(target)) die("listing");
    snprintf(path, sizeof path, "%s/dirs/%ju.new", mirror, (uintmax_t)ino);
    snprintf(durable, sizeof durable, "%s/dirs/%ju", mirror, (uintmax_t)ino);
    if (REAL(renameat2)(AT_FDCWD, path, AT_FDCWD, durable, 0)) die("listing rename");
}

static void note(const char *name, const char *path, off_t at) {
    char list[PATH_MAX + 16];
    snprintf(list, sizeof list, "%s/%s", control, name);
    int fd = REAL(openat)(AT_FDCWD, list, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) die(list);
    dprintf(fd, "%s near %jd\n", path, (intmax_t)at);
    REAL(close)(fd);
}

static void compare(ino_t ino, int real, const char *path) {
    static char a[1 << 16], b[1 << 16];
    int kept = mirror_open("data", ino, "", O_RDONLY);
    for (off_t at = 0;; at += sizeof a) {
        ssize_t got = pread(real, a, sizeof a, at), had = pread(kept, b, sizeof b, at);
        if (got != had || memcmp(a, b, got > 0 ? (size_t)got : 0)) {
            note("missed", path, at);
            break;
        }
        if (got <= 0) {
            note("compared", path, at);
            break;
        }
    }
    REAL(close)(kept);
}

static void compare_open(ino_t ino, int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    int real = REAL(openat)(AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    if (real < 0) die("reopen");
    compare(ino, real, path);
    REAL(close)(real);
}

static void sync_below(const char *folder, int verify) {
    DIR *listing = opendir(folder);
    struct dirent *entry;
    struct stat stat;
    if (!listing) return;
    while ((entry = readdir(listing))) {
        char path[2 * PATH_MAX];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (lstat(path, &stat)) continue;
        if (S_ISDIR(stat.st_mode)) { sync_below(path, verify); continue; }
        if (!S_ISREG(stat.st_mode)) continue;
        struct file *file = find(stat.st_ino);
        int is_dirty = file->whole || file->count || !file->known;
        if (!is_dirty && !verify) continue;
        int fd = REAL(openat)(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) die(path);
        if (is_dirty) sync_file(stat.st_ino, fd);
        if (verify) compare(stat.st_ino, fd, path);
        REAL(close)(fd);
    }
    rewinddir(listing);
    if (!fstat(dirfd(listing), &stat)) sync_dir(stat.st_ino, listing);
    closedir(listing);
}

static int refuse_sync(ino_t ino) {
    if (!fault("eio")) return 0;
    struct file *file = find(ino);
    file->count = 0;
    file->whole = 0;
    errno = EIO;
    return 1;
}

static int sync_one(int fd) {
    int result = 0;
    pthread_mutex_lock(&lock);
    if (refuse_sync(fds[fd].ino)) {
        result = -1;
    } else if (!fault("lie")) {
        if (fds[fd].is_dir) {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            DIR *listing = opendir(link);
            if (!listing) die("opendir");
            sync_dir(fds[fd].ino, listing);
            closedir(listing);
        } else {
            static unsigned syncs;
            sync_file(fds[fd].ino, fd);
            if (++syncs % 16 == 0 && fault("verify")) compare_open(fds[fd].ino, fd);
        }
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static int sync_all(void) {
    int result = 0;
    pthread_mutex_lock(&lock);
    if (fault("eio")) {
        errno = EIO;
        result = -1;
    } else if (!fault("lie")) {
        sync_below(root, fault("verify"));
    }
    pthread_mutex_unlock(&lock);
    return result;
}

__attribute__((constructor)) static void start(void) {
    const char *where = getenv("VIA_DISK_ROOT"), *beside = getenv("VIA_DISK_MIRROR");
    const char *faults = getenv("VIA_DISK_CONTROL");
    bind_real();
    if (!where || !beside || !faults) return;
    if (!realpath(where, root) || !realpath(beside, mirror) || !realpath(faults, control))
        die("VIA_DISK_ROOT, VIA_DISK_MIRROR and VIA_DISK_CONTROL must be folders");
    root_len = strlen(root);
    const char *kinds[] = {"data", "dirs", "grave"};
    for (int i = 0; i < 3; i++) {
        char path[PATH_MAX + 16];
        snprintf(path, sizeof path, "%s/%s", mirror, kinds[i]);
        if (mkdir(path, 0700) && errno != EEXIST) die(path);
    }
    active = 1;
    /* What is there when the process starts survived: it is durable. */
    pthread_mutex_lock(&lock);
    sync_below(root, 0);
    pthread_mutex_unlock(&lock);
}

/* ---- what programs call ---- */

int fsync(int fd) { return ours(fd) ? sync_one(fd) : 0; }
int fdatasync(int fd) { return ours(fd) ? sync_one(fd) : 0; }
int syncfs(int fd) { (void)fd; return active ? sync_all() : 0; }
void sync(void) { if (active) sync_all(); }
int sync_file_range(int fd, off_t at, off_t length, unsigned flags) {
    (void)at; (void)length; (void)flags;
    if (ours(fd) && fault("eio")) { errno = EIO; return -1; }
    return 0;
}
int sync_file_range64(int fd, off_t at, off_t length, unsigned flags) {
    return sync_file_range(fd, at, length, flags);
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
    if (!REAL(openat)) bind_real();
    pthread_mutex_lock(&lock);
    int fd = REAL(openat)(folder, path, flags, mode);
    int error = errno;
    adopt(fd, flags);
    if ((flags & O_TRUNC) && ours_file(fd)) find(fds[fd].ino)->whole = 1;
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

#define MODE(flags) mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }

int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return opened(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return opened(folder, path, flags, mode); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int fd) {
    if (!REAL(close)) bind_real();
    if (!ours(fd)) return REAL(close)(fd);
    pthread_mutex_lock(&lock);
    fds[fd].ino = 0;
    int result = REAL(close)(fd);
    pthread_mutex_unlock(&lock);
    return result;
}

static void follow(int from, int to) {
    if (active && to >= 0 && to < FDS) fds[to] = ours(from) ? fds[from] : (struct open_file){0};
}

int dup(int fd) { int made = REAL(dup)(fd); follow(fd, made); return made; }
int dup3(int fd, int to, int flags) { int made = REAL(dup3)(fd, to, flags); follow(fd, made); return made; }
int dup2(int fd, int to) { return fd == to ? to : dup3(fd, to, 0); }

static int controlled(int fd, int command, void *argument) {
    if (!REAL(fcntl)) bind_real();
    int result = REAL(fcntl)(fd, command, argument);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) follow(fd, result);
    return result;
}

int fcntl(int fd, int command, ...) {
    va_list list; va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return controlled(fd, command, argument);
}
int fcntl64(int fd, int command, ...) {
    va_list list; va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return controlled(fd, command, argument);
}

static int refuse_space(void) {
    if (!fault("full")) return 0;
    errno = ENOSPC;
    return 1;
}

/* Runs a write under the lock; `at` < 0 means at the file's own position. */
#define WRITE(fd, at, call) \
    if (!active || !ours_file(fd)) return call; \
    pthread_mutex_lock(&lock); \
    ssize_t result = refuse_space() ? -1 : call; \
    wrote(fd, at, result); \
    pthread_mutex_unlock(&lock); \
    return result

static void wrote(int fd, off_t at, ssize_t length) {
    int error = errno;
    if (length > 0) {
        off_t start = at < 0 ? lseek(fd, 0, SEEK_CUR) - length : at;
        dirty(fd, start, start + length);
        if (fds[fd].syncs && !fault("lie")) sync_file(fds[fd].ino, fd);
    }
    errno = error;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    if (!REAL(write)) bind_real();
    WRITE(fd, -1, REAL(write)(fd, bytes, length));
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!REAL(writev)) bind_real();
    WRITE(fd, -1, REAL(writev)(fd, parts, count));
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    if (!REAL(pwrite)) bind_real();
    WRITE(fd, at, REAL(pwrite)(fd, bytes, length, at));
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return pwrite(fd, bytes, length, at); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
    WRITE(fd, at, REAL(pwritev)(fd, parts, count, at));
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at) { return pwritev(fd, parts, count, at); }
ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags) {
    if (ours_file(fd) && (flags & (RWF_DSYNC | RWF_SYNC))) die("pwritev2 with a sync flag is not modelled");
    WRITE(fd, at, REAL(pwritev2)(fd, parts, count, at, flags));
}
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off_t at, int flags) {
    return pwritev2(fd, parts, count, at, flags);
}

/* Copies between files are rare: all of the target counts as changed. */
#define COPY(fd, call) \
    if (!active || !ours_file(fd)) return call; \
    pthread_mutex_lock(&lock); \
    ssize_t result = refuse_space() ? -1 : call; \
    find(fds[fd].ino)->whole = 1; \
    pthread_mutex_unlock(&lock); \
    return result

ssize_t copy_file_range(int in, off_t *from, int out, off_t *to, size_t length, unsigned flags) {
    COPY(out, REAL(copy_file_range)(in, from, out, to, length, flags));
}
ssize_t sendfile(int out, int in, off_t *from, size_t length) {
    COPY(out, REAL(sendfile)(out, in, from, length));
}
ssize_t sendfile64(int out, int in, off_t *from, size_t length) { return sendfile(out, in, from, length); }

int ftruncate(int fd, off_t length) {
    struct stat stat;
    if (!active || !ours_file(fd)) return REAL(ftruncate)(fd, length);
    pthread_mutex_lock(&lock);
    int result = fstat(fd, &stat);
    if (!result && length > stat.st_size && refuse_space()) result = -1;
    if (!result) result = REAL(ftruncate)(fd, length);
    if (!result) {
        dirty(fd, length < stat.st_size ? length : stat.st_size, length > stat.st_size ? length : stat.st_size);
    }
    pthread_mutex_unlock(&lock);
    return result;
}
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

int fallocate(int fd, int mode, off_t at, off_t length) {
    if (!active || !ours_file(fd)) return REAL(fallocate)(fd, mode, at, length);
    pthread_mutex_lock(&lock);
    int result = refuse_space() ? -1 : REAL(fallocate)(fd, mode, at, length);
    if (!result) dirty(fd, at, at + length);
    pthread_mutex_unlock(&lock);
    return result;
}
int fallocate64(int fd, int mode, off_t at, off_t length) { return fallocate(fd, mode, at, length); }
int posix_fallocate(int fd, off_t at, off_t length) { return fallocate(fd, 0, at, length) ? errno : 0; }
int posix_fallocate64(int fd, off_t at, off_t length) { return posix_fallocate(fd, at, length); }

void *mmap(void *where, size_t length, int protection, int flags, int fd, off_t at) {
    if (!REAL(mmap)) bind_real();
    if (ours_file(fd) && (flags & MAP_SHARED) && (protection & PROT_WRITE))
        die("shared writable maps are not modelled");
    return REAL(mmap)(where, length, protection, flags, fd, at);
}
void *mmap64(void *where, size_t length, int protection, int flags, int fd, off_t at) {
    return mmap(where, length, protection, flags, fd, at);
}

/* A deleted file's inode number must not come back as another file's. */
static void bury(int folder, const char *path) {
    struct stat stat;
    char grave[PATH_MAX + 64];
    if (!active || fstatat(folder, path, &stat, AT_SYMLINK_NOFOLLOW) || !S_ISREG(stat.st_mode)) return;
    char link[64], full[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    ssize_t known = folder == AT_FDCWD ? -1 : readlink(link, full, sizeof full - 1);
    if (known >= 0) full[known] = 0;
    if (path[0] == '/' ? !is_inside(path) : (known < 0 || !is_inside(full))) return;
    snprintf(grave, sizeof grave, "%s/grave/%ju", mirror, (uintmax_t)stat.st_ino);
    if (linkat(folder, path, AT_FDCWD, grave, 0) && errno != EEXIST) die("grave");
}

int unlinkat(int folder, const char *path, int flags) {
    pthread_mutex_lock(&lock);
    if (!(flags & AT_REMOVEDIR)) bury(folder, path);
    int result = REAL(unlinkat)(folder, path, flags);
    pthread_mutex_unlock(&lock);
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    pthread_mutex_lock(&lock);
    if (!flags) bury(to_folder, to);
    int result = REAL(renameat2)(from_folder, from, to_folder, to, flags);
    pthread_mutex_unlock(&lock);
    return result;
}
int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return renameat2(from_folder, from, to_folder, to, 0);
}
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }
