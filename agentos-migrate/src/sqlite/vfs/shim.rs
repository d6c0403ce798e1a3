//! SQLite's file layer, implemented over another one.
//!
//! A [`Layer`] is a registered VFS that passes everything to the one below,
//! but asks its [`Hooks`] first. The callbacks only find their Rust values
//! and call on; they do not panic. A layer lives until its last file is
//! closed, whoever drops what first.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::{align_of, size_of};
use std::ptr;
use std::sync::{Arc, Weak};

use rusqlite::ffi;

use super::base::{Base, RealFile};

/// What a layer does differently. The defaults pass on.
pub(super) trait Hooks: Send + Sync {
    /// Before a file is opened: a code other than `SQLITE_OK` refuses it.
    fn before_open(&self, _name: Option<&CStr>) -> c_int {
        ffi::SQLITE_OK
    }

    /// After a file was opened.
    fn opened(&self, _file: &mut OpenFile) {}

    fn read(&self, file: &mut OpenFile, buffer: &mut [u8], offset: i64) -> c_int {
        file.real.read(buffer, offset)
    }

    fn write(&self, file: &mut OpenFile, bytes: &[u8], offset: i64) -> c_int {
        file.real.write(bytes, offset)
    }

    fn truncate(&self, file: &mut OpenFile, size: i64) -> c_int {
        file.real.truncate(size)
    }

    fn sync(&self, file: &mut OpenFile, flags: c_int) -> c_int {
        file.real.sync(flags)
    }

    fn lock(&self, file: &mut OpenFile, level: c_int) -> c_int {
        file.real.lock(level)
    }

    fn unlock(&self, file: &mut OpenFile, level: c_int) -> c_int {
        file.real.unlock(level)
    }

    fn delete(&self, base: Base, name: &CStr, sync_directory: c_int) -> c_int {
        base.delete(name, sync_directory)
    }

    /// Before the engine touches a file without SQLite; an error is what it fails with.
    #[cfg(test)]
    fn plain(&self, _operation: &super::plain::Plain<'_>) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a file is for, by the flags it was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A database.
    Database,
    /// The rollback journal of a database.
    Journal,
    /// Anything else: temporary files, write-ahead logs, super-journals.
    Other,
}

/// A file that a connection opened through a layer.
pub(super) struct OpenFile {
    pub(super) real: RealFile,
    pub(super) name: CString,
    pub(super) purpose: Purpose,
    /// For a journal: where its content ends, and the page size its header names.
    pub(super) end: i64,
    pub(super) page_size: u32,
    /// For tests: the number that a recorder knows the file by.
    #[cfg(test)]
    pub(super) number: usize,
    layer: Arc<Shared>,
}

/// A registered VFS over another one.
#[derive(Clone)]
pub(super) struct Layer(Arc<Shared>);

struct Shared {
    base: Base,
    hooks: Box<dyn Hooks>,
    name: CString,
    vfs: *mut ffi::sqlite3_vfs,
    this: Weak<Shared>,
}

// SAFETY: `vfs` is written before registration and read-only afterwards;
// everything else is Send and Sync by its own type.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Layer {
    /// Registers a layer under a name that nobody else uses.
    pub(super) fn register(
        name: CString,
        base: Base,
        hooks: Box<dyn Hooks>,
    ) -> Result<Self, c_int> {
        let vfs = Box::into_raw(Box::new(structure(base, &name)));
        let shared =
            Arc::new_cyclic(|this| Shared { base, hooks, name, vfs, this: Weak::clone(this) });
        // SAFETY: `vfs` is ours and not yet registered; the pointers that it
        // gets point into `shared`, which outlives it (see Drop).
        let code = unsafe {
            (*vfs).zName = shared.name.as_ptr();
            (*vfs).pAppData = Arc::as_ptr(&shared).cast_mut().cast::<c_void>();
            ffi::sqlite3_vfs_register(vfs, 0)
        };
        if code == ffi::SQLITE_OK { Ok(Self(shared)) } else { Err(code) }
    }

    pub(super) fn name(&self) -> &CStr {
        &self.0.name
    }

    pub(super) fn base(&self) -> Base {
        self.0.base
    }

    /// Makes it the one that connections use which name none.
    #[cfg(test)]
    pub(super) fn make_default(&self) {
        // SAFETY: the structure is registered already; registering it again only moves it.
        unsafe { ffi::sqlite3_vfs_register(self.0.vfs, 1) };
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: `vfs` came from Box::into_raw; no file of it is open, as each holds this value.
        unsafe {
            ffi::sqlite3_vfs_unregister(self.vfs);
            drop(Box::from_raw(self.vfs));
        }
    }
}

/// What SQLite sees as the file: its methods, and the way to ours. The
/// structure of the VFS below follows in the same memory.
#[repr(C)]
struct Handle {
    base: ffi::sqlite3_file,
    open: *mut OpenFile,
}

const ALIGN: usize = 16;
const HANDLE_BYTES: usize = size_of::<Handle>().next_multiple_of(ALIGN);
const _: () = assert!(align_of::<Handle>() <= ALIGN);

fn structure(base: Base, name: &CStr) -> ffi::sqlite3_vfs {
    let below = base.get();
    ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: below.szOsFile + c_int::try_from(HANDLE_BYTES).unwrap_or(c_int::MAX),
        mxPathname: below.mxPathname,
        pNext: ptr::null_mut(),
        zName: name.as_ptr(),
        pAppData: ptr::null_mut(),
        xOpen: Some(vfs_open),
        xDelete: Some(vfs_delete),
        xAccess: Some(vfs_access),
        xFullPathname: Some(vfs_full_pathname),
        // Extensions are loaded by the program, not through this layer.
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(vfs_randomness),
        xSleep: Some(vfs_sleep),
        xCurrentTime: Some(vfs_current_time),
        xGetLastError: Some(vfs_last_error),
        xCurrentTimeInt64: Some(vfs_current_time_64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

/// Returns the layer of a VFS.
///
/// # Safety
///
/// `vfs` was registered by [`Layer::register`].
unsafe fn layer<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Shared {
    // SAFETY: `pAppData` points to the shared part, which outlives the VFS.
    unsafe { &*(*vfs).pAppData.cast::<Shared>() }
}

/// Returns our part of an open file.
///
/// # Safety
///
/// `file` was opened by [`vfs_open`] and is not closed.
unsafe fn open_file<'a>(file: *mut ffi::sqlite3_file) -> &'a mut OpenFile {
    // SAFETY: `vfs_open` set the pointer and only `file_close` takes it back;
    // SQLite uses a file from one thread at a time.
    unsafe { &mut *(*file.cast::<Handle>()).open }
}

fn purpose(flags: c_int) -> Purpose {
    if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 {
        Purpose::Database
    } else if flags & ffi::SQLITE_OPEN_MAIN_JOURNAL != 0 {
        Purpose::Journal
    } else {
        Purpose::Other
    }
}

unsafe extern "C" fn vfs_open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    given: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with our VFS, a name that is null or a C string,
    // and memory of szOsFile bytes.
    unsafe {
        let shared = layer(vfs);
        (*file).pMethods = ptr::null();
        let text = (!name.is_null()).then(|| CStr::from_ptr(name));
        let refused = shared.hooks.before_open(text);
        if refused != ffi::SQLITE_OK {
            return refused;
        }
        let Some(layer) = shared.this.upgrade() else { return ffi::SQLITE_CANTOPEN };
        let below = file.cast::<u8>().add(HANDLE_BYTES).cast::<ffi::sqlite3_file>();
        (*below).pMethods = ptr::null();
        let Some(open) = shared.base.get().xOpen else { return ffi::SQLITE_CANTOPEN };
        let code = open(shared.base.as_ptr(), name, below, flags, given);
        let Some(real) = RealFile::new(below).filter(|real| real.methods().is_some()) else {
            return code;
        };
        if code != ffi::SQLITE_OK {
            real.close();
            return code;
        }
        let has_shared_memory = real.methods().is_some_and(|methods| methods.iVersion >= 2);
        let mut opened = Box::new(OpenFile {
            real,
            name: text.map_or_else(CString::default, CStr::to_owned),
            purpose: purpose(flags),
            end: real.size().unwrap_or_default(),
            page_size: 0,
            #[cfg(test)]
            number: 0,
            layer,
        });
        shared.hooks.opened(&mut opened);
        (*file.cast::<Handle>()).open = Box::into_raw(opened);
        (*file).pMethods = if has_shared_memory {
            &raw const METHODS
        } else {
            &raw const METHODS_WITHOUT_SHARED_MEMORY
        };
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn vfs_delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    // SAFETY: our VFS and a C string.
    unsafe {
        let shared = layer(vfs);
        shared.hooks.delete(shared.base, CStr::from_ptr(name), sync_directory)
    }
}

unsafe extern "C" fn file_close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once; the box is ours. The layer, which
    // the box holds, may go with it, so nothing is touched afterwards.
    unsafe {
        let open = Box::from_raw((*file.cast::<Handle>()).open);
        (*file).pMethods = ptr::null();
        open.real.close()
    }
}

unsafe extern "C" fn file_read(
    file: *mut ffi::sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    let Ok(length) = usize::try_from(amount) else { return ffi::SQLITE_IOERR_READ };
    // SAFETY: an open file and a buffer of `amount` bytes.
    unsafe {
        let open = open_file(file);
        let layer = Arc::clone(&open.layer);
        layer.hooks.read(open, std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length), offset)
    }
}

unsafe extern "C" fn file_write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    amount: c_int,
    offset: i64,
) -> c_int {
    let Ok(length) = usize::try_from(amount) else { return ffi::SQLITE_IOERR_WRITE };
    // SAFETY: an open file and `amount` bytes to write.
    unsafe {
        let open = open_file(file);
        let layer = Arc::clone(&open.layer);
        layer.hooks.write(open, std::slice::from_raw_parts(bytes.cast::<u8>(), length), offset)
    }
}

/// Defines callbacks that hand an open file and one number to a hook.
macro_rules! hooked {
    ($($callback:ident => $hook:ident($argument:ty);)*) => {$(
        unsafe extern "C" fn $callback(file: *mut ffi::sqlite3_file, argument: $argument) -> c_int {
            // SAFETY: an open file.
            let open = unsafe { open_file(file) };
            let layer = Arc::clone(&open.layer);
            layer.hooks.$hook(open, argument)
        }
    )*};
}

hooked! {
    file_truncate => truncate(i64);
    file_sync => sync(c_int);
    file_lock => lock(c_int);
    file_unlock => unlock(c_int);
}

/// Defines callbacks that pass a call on to the file below.
macro_rules! passed_on_file {
    ($($callback:ident => $method:ident($($name:ident: $type:ty),*) -> $code:expr;)*) => {$(
        unsafe extern "C" fn $callback(file: *mut ffi::sqlite3_file $(, $name: $type)*) -> c_int {
            // SAFETY: an open file; the arguments are SQLite's own.
            unsafe {
                let real = open_file(file).real;
                match real.methods().and_then(|methods| methods.$method) {
                    Some(call) => call(real.as_ptr() $(, $name)*),
                    None => $code,
                }
            }
        }
    )*};
}

passed_on_file! {
    file_size => xFileSize(size: *mut i64) -> ffi::SQLITE_IOERR_FSTAT;
    file_check_reserved => xCheckReservedLock(held: *mut c_int) -> ffi::SQLITE_IOERR_CHECKRESERVEDLOCK;
    file_control => xFileControl(operation: c_int, argument: *mut c_void) -> ffi::SQLITE_NOTFOUND;
    file_sector_size => xSectorSize() -> 0;
    file_capabilities => xDeviceCharacteristics() -> 0;
    file_map => xShmMap(page: c_int, bytes: c_int, extend: c_int, memory: *mut *mut c_void) -> ffi::SQLITE_IOERR_SHMMAP;
    file_map_lock => xShmLock(offset: c_int, count: c_int, flags: c_int) -> ffi::SQLITE_IOERR_SHMLOCK;
    file_unmap => xShmUnmap(delete: c_int) -> ffi::SQLITE_OK;
}

unsafe extern "C" fn file_map_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: an open file.
    unsafe {
        let real = open_file(file).real;
        if let Some(barrier) = real.methods().and_then(|methods| methods.xShmBarrier) {
            barrier(real.as_ptr());
        }
    }
}

/// What lets SQLite commit without a journal, or without syncing it: then there would be no
/// moment for the pointer (<https://sqlite.org/c3ref/c_iocap_atomic.html>).
unsafe extern "C" fn file_device(file: *mut ffi::sqlite3_file) -> c_int {
    const WITHOUT_JOURNAL: c_int = ffi::SQLITE_IOCAP_BATCH_ATOMIC
        | ffi::SQLITE_IOCAP_ATOMIC
        | ffi::SQLITE_IOCAP_ATOMIC512
        | ffi::SQLITE_IOCAP_ATOMIC1K
        | ffi::SQLITE_IOCAP_ATOMIC2K
        | ffi::SQLITE_IOCAP_ATOMIC4K
        | ffi::SQLITE_IOCAP_ATOMIC8K
        | ffi::SQLITE_IOCAP_ATOMIC16K
        | ffi::SQLITE_IOCAP_ATOMIC32K
        | ffi::SQLITE_IOCAP_ATOMIC64K
        | ffi::SQLITE_IOCAP_SAFE_APPEND
        | ffi::SQLITE_IOCAP_SEQUENTIAL;
    // SAFETY: passed on.
    unsafe { file_capabilities(file) & !WITHOUT_JOURNAL }
}

/// Version 2: without memory-mapped reads, which go past `xRead`.
static METHODS: ffi::sqlite3_io_methods = methods(2);
static METHODS_WITHOUT_SHARED_MEMORY: ffi::sqlite3_io_methods = methods(1);

const fn methods(version: c_int) -> ffi::sqlite3_io_methods {
    ffi::sqlite3_io_methods {
        iVersion: version,
        xClose: Some(file_close),
        xRead: Some(file_read),
        xWrite: Some(file_write),
        xTruncate: Some(file_truncate),
        xSync: Some(file_sync),
        xFileSize: Some(file_size),
        xLock: Some(file_lock),
        xUnlock: Some(file_unlock),
        xCheckReservedLock: Some(file_check_reserved),
        xFileControl: Some(file_control),
        xSectorSize: Some(file_sector_size),
        xDeviceCharacteristics: Some(file_device),
        xShmMap: Some(file_map),
        xShmLock: Some(file_map_lock),
        xShmBarrier: Some(file_map_barrier),
        xShmUnmap: Some(file_unmap),
        xFetch: None,
        xUnfetch: None,
    }
}

/// Defines callbacks that pass a call on to the VFS below.
macro_rules! passed_on {
    ($($callback:ident => $method:ident($($name:ident: $type:ty),*) -> $code:expr;)*) => {$(
        unsafe extern "C" fn $callback(vfs: *mut ffi::sqlite3_vfs $(, $name: $type)*) -> c_int {
            // SAFETY: our VFS; the arguments are SQLite's own.
            unsafe {
                let base = layer(vfs).base;
                match base.get().$method {
                    Some(call) => call(base.as_ptr() $(, $name)*),
                    None => $code,
                }
            }
        }
    )*};
}

passed_on! {
    vfs_access => xAccess(name: *const c_char, flags: c_int, found: *mut c_int) -> ffi::SQLITE_IOERR_ACCESS;
    vfs_full_pathname => xFullPathname(name: *const c_char, bytes: c_int, full: *mut c_char) -> ffi::SQLITE_CANTOPEN;
    vfs_randomness => xRandomness(bytes: c_int, buffer: *mut c_char) -> 0;
    vfs_sleep => xSleep(microseconds: c_int) -> 0;
    vfs_current_time => xCurrentTime(days: *mut f64) -> ffi::SQLITE_ERROR;
    vfs_last_error => xGetLastError(bytes: c_int, text: *mut c_char) -> 0;
    vfs_current_time_64 => xCurrentTimeInt64(milliseconds: *mut i64) -> ffi::SQLITE_ERROR;
}
