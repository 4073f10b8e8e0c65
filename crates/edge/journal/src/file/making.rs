//! Making a log's files: with their space, in the reserve, or not yet.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{ActiveFile, FileLayout, is_no_space};
use crate::Position;
use crate::header::{FileHeader, HEADER_BYTES_U64};
use crate::names::{path_of, reserve_path};
use crate::storage::{Access, StorageFile};

/// Makes a file with its space and its header. Where there is no space, nothing is left behind.
///
/// One that is there is the empty last one of an earlier run. It is used as it is, and stays where there is no space: the replay mark may
/// name it.
pub(super) fn create(
    layout: &FileLayout,
    start: Position,
    reserved_bytes: u64,
    now_ms: u64,
) -> io::Result<ActiveFile> {
    let path = path_of(&layout.dir, start);
    let found = match layout.storage.open(&path, Access::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        found => Some(found?),
    };
    let is_new = found.is_none();
    let file = match found {
        Some(file) => file,
        None => layout.storage.create(&path)?,
    };
    if let Err(error) = file.allocate(HEADER_BYTES_U64 + reserved_bytes) {
        if is_new {
            // The first error is the cause; a name without contents is what a crash leaves, too.
            let _ = layout.storage.remove(&path);
        }
        return Err(error);
    }
    let active = opened(file, path, start, (reserved_bytes, now_ms));
    write_header(layout, &active)?;
    Ok(active)
}

/// What a log can begin in where there is no space for a file: the reserve, a file of its size, or none as yet.
pub(super) fn begin_without_space(
    layout: &FileLayout,
    start: Position,
    now_ms: u64,
) -> io::Result<ActiveFile> {
    if layout.reserve_bytes > 0 {
        let taken = match take_reserve(layout, start, now_ms) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(layout, start, layout.reserve_bytes, now_ms)
            }
            taken => taken,
        };
        match taken {
            Err(error) if is_no_space(&error) => {}
            taken => return taken,
        }
    }
    Ok(ActiveFile {
        file: None,
        path: path_of(&layout.dir, start),
        start,
        bytes: 0,
        reserved_bytes: 0,
        is_synced: true,
        made_at_ms: now_ms,
    })
}

/// Makes the reserve the file that begins at `start`.
pub(super) fn take_reserve(
    layout: &FileLayout,
    start: Position,
    now_ms: u64,
) -> io::Result<ActiveFile> {
    let reserve = reserve_path(&layout.dir);
    let file = layout.storage.open(&reserve, Access::Write)?;
    file.allocate(HEADER_BYTES_U64 + layout.reserve_bytes)?;
    let active = opened(
        file,
        path_of(&layout.dir, start),
        start,
        (layout.reserve_bytes, now_ms),
    );
    layout.storage.rename(&reserve, &active.path)?;
    write_header(layout, &active)?;
    Ok(active)
}

fn opened(
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    start: Position,
    (reserved_bytes, made_at_ms): (u64, u64),
) -> ActiveFile {
    ActiveFile {
        file: Some(file),
        path,
        start,
        bytes: 0,
        reserved_bytes,
        is_synced: true,
        made_at_ms,
    }
}

/// Where the log is synced, header and name are durable on return.
fn write_header(layout: &FileLayout, active: &ActiveFile) -> io::Result<()> {
    let header = FileHeader {
        contents: layout.contents,
        start: active.start,
        boot: layout.boot,
        made_at_ms: active.made_at_ms,
    };
    let Some(file) = &active.file else {
        return Ok(());
    };
    file.write_all_at(&header.encode(), 0)?;
    if layout.is_synced() {
        file.sync_all()?;
        layout.storage.sync_directory(&layout.dir)?;
    }
    Ok(())
}
