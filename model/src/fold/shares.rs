//! What each observer of a batch tells, gathered before it is added to the window.

use std::sync::Arc;

use arrow_array::Array;
use hashbrown::HashMap;
use ingest::FlowBatch;

use super::key::ObserverId;
use super::observer::Observed;
use super::rows::Rows;

/// One observer's share of one batch and window.
pub(super) struct Share {
    pub(super) id: ObserverId,
    pub(super) window: i64,
    pub(super) observed: Observed,
    codes: Vec<Option<usize>>,
}

/// The dictionary codes of account and interface, and the window.
type Codes = (Option<usize>, Option<usize>, i64);

/// The observers of one batch, found by their dictionary codes.
pub(super) struct Shares {
    pub(super) list: Vec<Share>,
    by_codes: HashMap<Codes, usize>,
    by_id: HashMap<(ObserverId, i64), usize>,
    /// By interface, the last found: in a busy file they come mixed.
    recent: Vec<Option<(Codes, usize)>>,
    account: Arc<str>,
    flow_log_id: Arc<str>,
    n_fields: u32,
}

impl Shares {
    pub(super) fn new(batch: &FlowBatch, rows: &Rows<'_>) -> Self {
        let origin = batch.origin();
        Self {
            list: Vec::new(),
            by_codes: HashMap::new(),
            by_id: HashMap::new(),
            recent: vec![None; rows.eni.map_or(0, |column| column.values().len())],
            account: origin.account.as_deref().unwrap_or_default().into(),
            flow_log_id: origin.flow_log_id.as_deref().unwrap_or_default().into(),
            n_fields: u32::try_from(batch.declared().len()).unwrap_or(u32::MAX),
        }
    }

    #[inline]
    pub(super) fn of(&mut self, rows: &Rows<'_>, row: usize, window: i64) -> &mut Share {
        let code = |column: Option<ingest::TextColumn<'_>>| column.and_then(|c| c.code(row));
        let codes = (code(rows.account), code(rows.eni), window);
        let at = match codes.1.and_then(|eni| self.recent.get(eni)) {
            Some(&Some((known, at))) if known == codes => at,
            _ => self.find(rows, row, codes),
        };
        let share = &mut self.list[at];
        for ((field, column), known) in rows.said.iter().zip(&mut share.codes) {
            let code = column.code(row);
            if code != *known {
                *known = code;
                if let Some(text) = column.get(row) {
                    share.observed.note(*field, text);
                }
            }
        }
        share
    }

    fn find(&mut self, rows: &Rows<'_>, row: usize, codes: Codes) -> usize {
        // Records without an interface are told apart by their resource, which has no code here.
        if codes.1.is_some()
            && let Some(&at) = self.by_codes.get(&codes)
        {
            self.note(codes, at);
            return at;
        }
        let account = rows
            .account
            .and_then(|column| column.get(row))
            .map_or_else(|| Arc::clone(&self.account), Arc::from);
        let eni = (rows.eni.and_then(|column| column.get(row)))
            .or_else(|| rows.resource_id.and_then(|column| column.get(row)))
            .unwrap_or_default();
        let id = ObserverId::of(&account, eni, &self.flow_log_id);
        let at = *self.by_id.entry((id, codes.2)).or_insert_with(|| {
            let mut observed =
                Observed::new(account, Arc::from(eni), Arc::clone(&self.flow_log_id));
            observed.n_fields = self.n_fields;
            self.list.push(Share {
                id,
                window: codes.2,
                observed,
                codes: vec![None; rows.said.len()],
            });
            self.list.len() - 1
        });
        self.by_codes.insert(codes, at);
        self.note(codes, at);
        at
    }

    fn note(&mut self, codes: Codes, at: usize) {
        if let Some(recent) = codes.1.and_then(|eni| self.recent.get_mut(eni)) {
            *recent = Some((codes, at));
        }
    }
}
