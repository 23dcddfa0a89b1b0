//! `…/history-time-to-live`: how long the history of a definition's instances, or of a decision, is kept after its end.

use super::definition::Named;
use crate::api::auth::permission::{Permission, Resource};
use crate::api::call::Call;
use crate::api::error::{Answer, ApiError};
use crate::api::json::{Json, no_content};
use crate::base::limits::HISTORY_DAYS_MAX;
use crate::store::queries::record::DECISION_CODE;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    history_time_to_live: Option<i64>,
}

impl Body {
    /// `None`: as long as the node's setting says.
    fn days(&self) -> Result<Option<i64>, ApiError> {
        match self.history_time_to_live {
            Some(days) if !(0..=HISTORY_DAYS_MAX).contains(&days) => {
                let words = format!("historyTimeToLive is a number of days from 0 to {HISTORY_DAYS_MAX}, or null.");
                Err(ApiError::refused("BadUserRequestException", words))
            }
            days => Ok(days),
        }
    }
}

pub(super) async fn process(call: Call, named: Named, Json(body): Json<Body>) -> Answer {
    let days = body.days()?;
    let row = named.find(&call).await?;
    call.require(Permission::Update, Resource::ProcessDefinition, &row.key)?;
    call.keep_history(&row, days).await?;
    no_content()
}

pub(super) async fn decision(call: Call, named: Named, Json(body): Json<Body>) -> Answer {
    let days = body.days()?;
    let row = named.version(&call, DECISION_CODE, "decision definition").await?;
    call.require(Permission::Update, Resource::DecisionDefinition, &row.key)?;
    call.keep_history(&row, days).await?;
    no_content()
}
