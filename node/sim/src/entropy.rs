//! Where this process gets chance and time from. Once seeded, both come from the
//! simulation: the two functions of the C library below are what everything in
//! the process asks, `std`'s hash maps, tokio's `select!` and openraft's election
//! jitter among them. Before that they are the system's.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use libc::{c_int, c_uint, c_void, clockid_t, size_t, ssize_t, timespec};

use crate::dice::Dice;

static SEEDED: AtomicBool = AtomicBool::new(false);
static STATE: AtomicU64 = AtomicU64::new(0);

/// The time that every clock of the system shows once it is simulated: what
/// passes is tokio's time alone. In the past of any machine, so that nothing that
/// waits for the system's clock waits at all.
const FROZEN_SECS: i64 = 1_000;

/// Lets chance and time come from `seed` from now on. What a thread has drawn
/// already stays: begin a new one.
pub fn seed(seed: u64) {
    STATE.store(seed, Ordering::SeqCst);
    SEEDED.store(true, Ordering::SeqCst);
}

/// Fills bytes from the seed: for what asks the system past the C library.
pub(crate) fn fill(bytes: &mut [u8]) -> bool {
    let mut dice = Dice::new(STATE.load(Ordering::SeqCst));
    bytes.iter_mut().for_each(|byte| *byte = dice.byte());
    STATE.store(dice.draw(), Ordering::SeqCst);
    SEEDED.load(Ordering::SeqCst)
}

/// Stands in for the C library's function of that name, which it takes the place
/// of when this is linked.
///
/// # Safety
/// As of the C library's: `buffer` has room for `length` bytes.
#[expect(unsafe_code, reason = "the one place through which chance enters the process")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
    if !SEEDED.load(Ordering::SeqCst) {
        // SAFETY: the caller's promise is what the system asks for.
        return unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) } as ssize_t;
    }
    let mut dice = Dice::new(STATE.load(Ordering::SeqCst));
    for at in 0..length {
        // SAFETY: `at` is below `length`, for which the caller has room.
        unsafe { buffer.cast::<u8>().add(at).write(dice.byte()) };
    }
    STATE.store(dice.draw(), Ordering::SeqCst);
    length as ssize_t
}

/// Stands in for the C library's function of that name.
///
/// # Safety
/// As of the C library's: `at` may be written to.
#[expect(unsafe_code, reason = "the one place through which time enters the process")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, at: *mut timespec) -> c_int {
    if !SEEDED.load(Ordering::SeqCst) {
        // SAFETY: the caller's promise is what the system asks for.
        return unsafe { libc::syscall(libc::SYS_clock_gettime, clock, at) } as c_int;
    }
    // SAFETY: the caller's promise; the type is plain data.
    unsafe { at.write(timespec { tv_sec: FROZEN_SECS, tv_nsec: 0 }) };
    0
}
