//! What plans need to know of the inventory.

use detect::suggest::{self, Context, EniDetails, PlanBudget, PlanOptions};
use detect::{Finding, FoundWorkload, Suggestion};
use model::baseline::Baseline;
use model::identity::{Address, Directory, Infrastructure};

/// Plans what to do about a finding, as the newest inventory has things.
pub(crate) fn suggest(
    finding: &Finding,
    infrastructure: Option<Infrastructure>,
    baseline: &Baseline,
    directory: &Directory,
    options: &PlanOptions,
    budget: &mut PlanBudget,
) -> Option<Suggestion> {
    let details = |eni: &str| {
        let interface = directory.interfaces().find(|interface| interface.id == eni)?;
        Some(EniDetails::new(interface, directory.interfaces(), None))
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
        options,
        still_there: &still_there,
        inventory_eni: &details,
        infrastructure,
    };
    suggest::suggest(finding, &context, budget)
}
