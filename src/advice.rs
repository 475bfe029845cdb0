//! What plans need to know of the inventory.

use detect::suggest::{self, Context, EniDetails, PlanBudget, PlanOptions};
use detect::suppress::Suppressions;
use detect::{Finding, FoundWorkload, Suggestion};
use model::baseline::Baseline;
use model::identity::{Address, Directory, Infrastructure};

/// How plans are made, and what needs none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planning {
    pub(crate) options: PlanOptions,
    /// What is hidden is not planned for: it would take another's place under the cap on plans.
    pub(crate) suppressions: Suppressions,
}

/// Plans what to do about what is told of a finding, as the newest inventory has things.
pub(crate) fn suggest(
    finding: &Finding,
    infrastructure: Option<Infrastructure>,
    baseline: &Baseline,
    directory: &Directory,
    planning: &Planning,
    budget: &mut PlanBudget,
) -> Option<Suggestion> {
    let finding = &planning.suppressions.left(finding)?;
    let details = |eni: &str| {
        let interface = directory.interfaces().find(|interface| interface.id == eni)?;
        Some(EniDetails::new(interface, directory.interfaces(), directory.task(eni)))
    };
    let still_there = |workload: &FoundWorkload| {
        let eni = workload.eni.as_deref()?;
        let mut listed = directory.interfaces().peekable();
        listed.peek()?;
        Some(listed.any(|interface| {
            let mut addresses = interface.addresses.iter().chain(&interface.addresses_v6);
            interface.id == eni
                && addresses.any(|&a| Address::from(a).to_string() == workload.address)
        }))
    };
    let context = Context {
        baseline,
        options: &planning.options,
        still_there: &still_there,
        inventory_eni: &details,
        infrastructure,
    };
    suggest::suggest(finding, &context, budget)
}
