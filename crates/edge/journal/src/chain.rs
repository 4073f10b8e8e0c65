//! Where a replay begins, and whether the files before it still follow each other.
//!
//! Of those files, the history, headers and lengths are read and no more: a restart must not take longer because much is kept. What is
//! wrong with them is reported and keeps nobody from starting, since nothing depends on them but answers about the past.

use std::collections::VecDeque;
use std::path::PathBuf;

use crate::error::HeaderFault;
use crate::file::SealedFile;
use crate::header::HEADER_BYTES_U64;
use crate::log_reader::read_header;
use crate::mark::{self, MarkFound, OtherSlot, ReplayMark};
use crate::names::FoundFile;
use crate::replay::Reading;
use crate::{LogContents, OpenError, Position};

/// Most faults that are reported one by one.
const FAULTS_MAX: usize = 16;

/// Where a replay began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayedFrom {
    /// At the oldest file: there is no mark yet.
    Begin,
    /// At the mark.
    Mark {
        /// Files before it.
        files: u64,
        /// What is wrong with them: of the first 16.
        faults: Vec<HistoryFault>,
    },
    /// At the oldest file, because the mark cannot be trusted.
    Distrust(Distrust),
}

/// Why a mark cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Its file is damaged.
    #[error("the file is damaged")]
    Damaged,
    /// It may have moved on since, and the file where it stood is gone.
    #[error(
        "a part of the file is damaged, and records from position {0} on, where the mark last stood for certain, are gone"
    )]
    Outdated(Position),
    /// No file begins there: the journal was put together from several copies, or is older than the mark.
    #[error(
        "it stands at position {0}, where no file begins: the mark is of another copy of the journal"
    )]
    Elsewhere(Position),
}

/// Something wrong with a file of history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("file {}: {what}", file.display())]
pub struct HistoryFault {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: HistoryDamage,
}

/// What can be wrong with a file of history, as far as it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistoryDamage {
    /// Its header is not what was written.
    #[error("its header is damaged ({0})")]
    Header(HeaderFault),
    /// It belongs to another kind of log.
    #[error("it holds {0:?}")]
    Contents(LogContents),
    /// It ends before the next file begins.
    #[error(
        "it ends at position {end}, and the next file begins at {next}: it was cut, or a file is missing"
    )]
    Short {
        /// Where its bytes end.
        end: Position,
        /// Where the next file begins.
        next: Position,
    },
}

/// Where to begin, and what lies before.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) from: ReplayedFrom,
    pub(crate) mark: ReplayMark,
    /// The history.
    pub(crate) sealed: VecDeque<SealedFile>,
}

type History = (VecDeque<SealedFile>, Vec<HistoryFault>);

impl Reading {
    /// Decides where the replay of `found` begins, and looks over what lies before.
    pub(crate) fn beginning(&self, found: &[FoundFile]) -> Result<Beginning, OpenError> {
        let oldest = found.first().map(|file| file.start);
        let begin = oldest.unwrap_or_default();
        let marked = match self.contents {
            LogContents::Journal => mark::read(&*self.storage, &self.dir)
                .map_err(|error| OpenError::io("reading the mark in", &self.dir, error))?,
            LogContents::Written | LogContents::Keyed => MarkFound::Missing,
        };
        let begin_anyhow = |why| Beginning {
            from: ReplayedFrom::Distrust(why),
            mark: ReplayMark::new(marked, begin),
            sealed: VecDeque::new(),
        };
        match marked {
            MarkFound::Missing => Ok(Beginning {
                from: ReplayedFrom::Begin,
                mark: ReplayMark::new(marked, begin),
                sealed: VecDeque::new(),
            }),
            MarkFound::Damaged => Ok(begin_anyhow(Distrust::Damaged)),
            MarkFound::At {
                position, other, ..
            } => {
                if found.iter().any(|file| file.start == position) {
                    let (sealed, faults) = self.look_over(found, position)?;
                    let files = sealed.len() as u64;
                    Ok(Beginning {
                        from: ReplayedFrom::Mark { files, faults },
                        mark: ReplayMark::new(marked, position),
                        sealed,
                    })
                } else if oldest.is_some_and(|oldest| oldest < position) {
                    Ok(begin_anyhow(Distrust::Elsewhere(position)))
                } else if oldest.is_some() && other == OtherSlot::Damaged {
                    Ok(begin_anyhow(Distrust::Outdated(position)))
                } else {
                    Err(OpenError::Missing {
                        dir: self.dir.clone(),
                        wanted: position,
                        found: oldest,
                    })
                }
            }
        }
    }

    /// The files before the mark, and what is wrong with them.
    fn look_over(&self, found: &[FoundFile], mark: Position) -> Result<History, OpenError> {
        let (mut sealed, mut faults) = (VecDeque::new(), Vec::new());
        let pairs = found.iter().zip(found.iter().skip(1));
        for (file, next) in pairs.take_while(|(file, _)| file.start < mark) {
            let (made_at_ms, fault) = match self.look_at(file, next.start)? {
                Ok(made_at_ms) => (made_at_ms, None),
                // Of unknown age: it is kept while the files behind it are.
                Err(what) => (0, Some(what)),
            };
            if let Some(what) = fault
                && faults.len() < FAULTS_MAX
            {
                let file = file.path.clone();
                faults.push(HistoryFault { file, what });
            }
            sealed.push_back(SealedFile {
                path: file.path.clone(),
                start: file.start,
                end: next.start,
                bytes: HEADER_BYTES_U64 + (next.start.0 - file.start.0),
                made_at_ms,
            });
        }
        Ok((sealed, faults))
    }

    /// When a file was made.
    fn look_at(
        &self,
        file: &FoundFile,
        next: Position,
    ) -> Result<Result<u64, HistoryDamage>, OpenError> {
        let reading = |error| OpenError::io("reading", &file.path, error);
        let opened = self.open(file)?;
        let header = match read_header(&*opened, file.start).map_err(reading)? {
            Ok(header) => header,
            Err(what) => return Ok(Err(HistoryDamage::Header(what))),
        };
        if header.contents != self.contents {
            return Ok(Err(HistoryDamage::Contents(header.contents)));
        }
        // Zeros behind the last frame are the space that a file had reserved: it may be longer, never shorter.
        let frames = opened.length().map_err(reading)?;
        let end = Position(file.start.0 + frames.saturating_sub(HEADER_BYTES_U64));
        if end < next {
            return Ok(Err(HistoryDamage::Short { end, next }));
        }
        Ok(Ok(header.made_at_ms))
    }
}
