//! A snapshot on its way in, kept in a file that has no name and vanishes with
//! its handle: bounded in memory, and whole before anybody acts on it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::Error;
use crate::aside::aside;
use crate::machine::{CHUNK_BYTES, Chunks};

/// Chunks received so far.
pub(crate) struct Spool {
    file: BufWriter<File>,
    chunks: u64,
}

fn failed(error: std::io::Error) -> Error {
    Error::Unreadable { what: "snapshot file", source: error.into() }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = aside(work).await;
    done.unwrap_or_else(|panicked| Err(Error::Machine(panicked.into())))
}

impl Spool {
    /// Makes an empty one in a directory.
    ///
    /// # Errors
    /// The directory cannot be written to.
    pub(crate) async fn create(directory: &Path) -> Result<Self, Error> {
        let directory: PathBuf = directory.to_owned();
        blocking(move || {
            let file = tempfile::tempfile_in(directory).map_err(failed)?;
            Ok(Self { file: BufWriter::new(file), chunks: 0 })
        })
        .await
    }

    /// Returns how many chunks there are.
    pub(crate) fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Adds a chunk.
    ///
    /// # Errors
    /// It is over the limit, or the disk is full.
    pub(crate) async fn push(mut self, chunk: Vec<u8>) -> Result<Self, Error> {
        if chunk.len() > CHUNK_BYTES {
            return Err(Error::TooLong { bytes: chunk.len(), limit: CHUNK_BYTES });
        }
        blocking(move || {
            let length = (chunk.len() as u32).to_le_bytes();
            self.file.write_all(&length).map_err(failed)?;
            self.file.write_all(&chunk).map_err(failed)?;
            self.chunks += 1;
            Ok(self)
        })
        .await
    }

    /// Returns the chunks, read back as they are taken.
    ///
    /// # Errors
    /// The disk is full.
    pub(crate) fn into_chunks(self) -> Result<Chunks, Error> {
        let mut file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut file = BufReader::new(file);
        let read = move |_| {
            let mut length = [0; 4];
            file.read_exact(&mut length).map_err(failed)?;
            let mut chunk = vec![0; u32::from_le_bytes(length) as usize];
            file.read_exact(&mut chunk).map_err(failed)?;
            Ok(Bytes::from(chunk))
        };
        Ok(Box::new((0..self.chunks).map(read)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_come_back_and_long_ones_are_refused() {
        let mut spool = Spool::create(&std::env::temp_dir()).await.unwrap();
        for size in [0, 3, CHUNK_BYTES] {
            spool = spool.push(vec![size as u8; size]).await.unwrap();
        }
        assert_eq!(spool.chunks(), 3);
        let sizes: Vec<_> =
            spool.into_chunks().unwrap().map(|chunk| chunk.unwrap().len()).collect();
        assert_eq!(sizes, [0, 3, CHUNK_BYTES]);
        let spool = Spool::create(&std::env::temp_dir()).await.unwrap();
        assert!(matches!(spool.push(vec![0; CHUNK_BYTES + 1]).await, Err(Error::TooLong { .. })));
    }
}
