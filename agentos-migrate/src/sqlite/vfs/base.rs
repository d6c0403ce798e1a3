//! SQLite's file layer, called.
//!
//! Every method calls one function pointer of a VFS or of a file that the
//! VFS opened, and returns SQLite's result code. Nothing is decided here.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use rusqlite::ffi;

/// A registered VFS: registered ones live until they are unregistered.
#[derive(Clone, Copy)]
pub(super) struct Base(NonNull<ffi::sqlite3_vfs>);

// SAFETY: a VFS is called from any thread; SQLite itself relies on that.
unsafe impl Send for Base {}
// SAFETY: as above; the structure is not changed after registration.
unsafe impl Sync for Base {}

impl Base {
    /// Returns the VFS of this name, or the default one.
    pub(super) fn find(name: Option<&CStr>) -> Option<Self> {
        let name = name.map_or(ptr::null(), CStr::as_ptr);
        // SAFETY: `name` is null or a C string that lives through the call.
        NonNull::new(unsafe { ffi::sqlite3_vfs_find(name) }).map(Self)
    }

    pub(super) fn as_ptr(self) -> *mut ffi::sqlite3_vfs {
        self.0.as_ptr()
    }

    /// Returns the structure, to read its sizes and function pointers.
    pub(super) fn get(&self) -> &ffi::sqlite3_vfs {
        // SAFETY: a registered VFS stays valid, see the type.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn delete(self, name: &CStr, sync_directory: c_int) -> c_int {
        let Some(delete) = self.get().xDelete else { return ffi::SQLITE_IOERR_DELETE };
        // SAFETY: the VFS is valid and `name` is a C string.
        unsafe { delete(self.as_ptr(), name.as_ptr(), sync_directory) }
    }

    /// Returns whether the file is there, or SQLite's code.
    pub(super) fn exists(self, name: &CStr) -> Result<bool, c_int> {
        let Some(access) = self.get().xAccess else { return Err(ffi::SQLITE_IOERR_ACCESS) };
        let mut found = 0;
        // SAFETY: the VFS is valid, `name` is a C string, `found` outlives the call.
        let code = unsafe {
            access(self.as_ptr(), name.as_ptr(), ffi::SQLITE_ACCESS_EXISTS, &raw mut found)
        };
        if code == ffi::SQLITE_OK { Ok(found != 0) } else { Err(code) }
    }

    /// Returns random bytes.
    pub(super) fn random(self) -> [u8; 4] {
        let mut bytes = [0_u8; 4];
        if let Some(randomness) = self.get().xRandomness {
            // SAFETY: the VFS is valid and the buffer holds four bytes.
            unsafe { randomness(self.as_ptr(), 4, bytes.as_mut_ptr().cast::<c_char>()) };
        }
        bytes
    }

    /// Opens a file by itself, outside any connection.
    pub(super) fn open(self, name: &CStr, flags: c_int) -> Result<OwnedFile, c_int> {
        OwnedFile::open(self, name, flags)
    }
}

/// A file that a VFS opened, borrowed from the memory that SQLite gave it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct RealFile(NonNull<ffi::sqlite3_file>);

// SAFETY: a file is used by one thread at a time: its connection is, and
// what the group does with it happens inside that connection's calls or
// after all of them have returned.
unsafe impl Send for RealFile {}

impl RealFile {
    /// # Safety
    ///
    /// `file` was opened by its VFS and is not closed while this value is used.
    pub(super) unsafe fn new(file: *mut ffi::sqlite3_file) -> Option<Self> {
        NonNull::new(file).map(Self)
    }

    pub(super) fn as_ptr(self) -> *mut ffi::sqlite3_file {
        self.0.as_ptr()
    }

    /// Returns the methods; an open file has them.
    pub(super) fn methods(&self) -> Option<&ffi::sqlite3_io_methods> {
        // SAFETY: the file is open, so its structure is valid; the methods are static.
        unsafe { self.0.as_ref().pMethods.as_ref() }
    }

    pub(super) fn read(self, buffer: &mut [u8], offset: i64) -> c_int {
        let Some(read) = self.methods().and_then(|methods| methods.xRead) else {
            return ffi::SQLITE_IOERR_READ;
        };
        let Ok(amount) = c_int::try_from(buffer.len()) else { return ffi::SQLITE_IOERR_READ };
        // SAFETY: the file is open and the buffer holds `amount` bytes.
        unsafe { read(self.as_ptr(), buffer.as_mut_ptr().cast::<c_void>(), amount, offset) }
    }

    pub(super) fn write(self, bytes: &[u8], offset: i64) -> c_int {
        let Some(write) = self.methods().and_then(|methods| methods.xWrite) else {
            return ffi::SQLITE_IOERR_WRITE;
        };
        let Ok(amount) = c_int::try_from(bytes.len()) else { return ffi::SQLITE_IOERR_WRITE };
        // SAFETY: the file is open and `bytes` holds `amount` bytes.
        unsafe { write(self.as_ptr(), bytes.as_ptr().cast::<c_void>(), amount, offset) }
    }

    pub(super) fn truncate(self, size: i64) -> c_int {
        let Some(truncate) = self.methods().and_then(|methods| methods.xTruncate) else {
            return ffi::SQLITE_IOERR_TRUNCATE;
        };
        // SAFETY: the file is open.
        unsafe { truncate(self.as_ptr(), size) }
    }

    pub(super) fn sync(self, flags: c_int) -> c_int {
        let Some(sync) = self.methods().and_then(|methods| methods.xSync) else {
            return ffi::SQLITE_IOERR_FSYNC;
        };
        // SAFETY: the file is open.
        unsafe { sync(self.as_ptr(), flags) }
    }

    /// Returns the size, or SQLite's code.
    pub(super) fn size(self) -> Result<i64, c_int> {
        let Some(size) = self.methods().and_then(|methods| methods.xFileSize) else {
            return Err(ffi::SQLITE_IOERR_FSTAT);
        };
        let mut bytes = 0;
        // SAFETY: the file is open and `bytes` outlives the call.
        let code = unsafe { size(self.as_ptr(), &raw mut bytes) };
        if code == ffi::SQLITE_OK { Ok(bytes) } else { Err(code) }
    }

    pub(super) fn lock(self, level: c_int) -> c_int {
        let Some(lock) = self.methods().and_then(|methods| methods.xLock) else {
            return ffi::SQLITE_IOERR_LOCK;
        };
        // SAFETY: the file is open.
        unsafe { lock(self.as_ptr(), level) }
    }

    pub(super) fn unlock(self, level: c_int) -> c_int {
        let Some(unlock) = self.methods().and_then(|methods| methods.xUnlock) else {
            return ffi::SQLITE_IOERR_UNLOCK;
        };
        // SAFETY: the file is open.
        unsafe { unlock(self.as_ptr(), level) }
    }

    pub(super) fn close(self) -> c_int {
        let Some(close) = self.methods().and_then(|methods| methods.xClose) else {
            return ffi::SQLITE_OK;
        };
        // SAFETY: the file is open; the caller uses it no more.
        unsafe { close(self.as_ptr()) }
    }
}

/// A file that we opened ourselves; closed on drop.
///
/// SQLite's own close is what makes this safe beside its locks: it keeps the
/// descriptor for later while another handle of this process holds a lock
/// (<https://sqlite.org/howtocorrupt.html#posix_close_bug>).
pub(super) struct OwnedFile {
    file: RealFile,
    // The VFS keeps its file structure here, and the name it was opened by.
    _memory: Box<[u64]>,
    _name: Filename,
}

impl OwnedFile {
    fn open(base: Base, name: &CStr, flags: c_int) -> Result<Self, c_int> {
        let Some(open) = base.get().xOpen else { return Err(ffi::SQLITE_CANTOPEN) };
        let name = Filename::new(name).ok_or(ffi::SQLITE_NOMEM)?;
        let bytes = usize::try_from(base.get().szOsFile).unwrap_or_default();
        let mut memory = vec![0_u64; bytes.div_ceil(8)].into_boxed_slice();
        let file = memory.as_mut_ptr().cast::<ffi::sqlite3_file>();
        let mut given = 0;
        // SAFETY: the VFS is valid; `file` has the size it asks for, aligned
        // for pointers; the name has the form that a database's name has.
        let code = unsafe { open(base.as_ptr(), name.0, file, flags, &raw mut given) };
        // SAFETY: `xOpen` sets pMethods, also when it fails and the file must be closed.
        let opened = unsafe { RealFile::new(file) }.filter(|file| file.methods().is_some());
        match opened {
            Some(file) if code == ffi::SQLITE_OK => Ok(Self { file, _memory: memory, _name: name }),
            Some(file) => {
                file.close();
                Err(code)
            }
            None => Err(if code == ffi::SQLITE_OK { ffi::SQLITE_CANTOPEN } else { code }),
        }
    }

    pub(super) fn file(&self) -> RealFile {
        self.file
    }
}

impl Drop for OwnedFile {
    fn drop(&mut self) {
        self.file.close();
    }
}

/// A name in the form that a VFS expects of a database: <https://sqlite.org/c3ref/create_filename.html>.
struct Filename(*const c_char);

impl Filename {
    fn new(name: &CStr) -> Option<Self> {
        let empty = CString::default();
        // SAFETY: three C strings that live through the call, and no parameters.
        let made: *const c_char = unsafe {
            ffi::sqlite3_create_filename(
                name.as_ptr(),
                empty.as_ptr(),
                empty.as_ptr(),
                0,
                ptr::null_mut(),
            )
        };
        (!made.is_null()).then_some(Self(made))
    }
}

impl Drop for Filename {
    fn drop(&mut self) {
        // SAFETY: made by sqlite3_create_filename and freed once.
        unsafe { ffi::sqlite3_free_filename(self.0.cast_mut()) };
    }
}
