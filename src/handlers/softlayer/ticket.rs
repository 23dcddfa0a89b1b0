//! `softlayer.create-ticket`, `ticket-status`. The title ends in a mark made from the activation's key, by which a repeat finds
//! the ticket that is already there.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, first, id};
use crate::base::variable::from_json;
use crate::handlers::input::Name;
use crate::handlers::{Answer, Cx, Job, Trouble};

/// "General question": the one subject that every account has.
const SUBJECT: u64 = 1522;
const MARK_CHARACTERS: usize = 10;

#[derive(Deserialize)]
struct Create {
    connection: String,
    subject: String,
    text: String,
}

pub(super) async fn create(job: Job, cx: Cx) -> Answer {
    let input: Create = job.input()?;
    let api = Api::new(&cx, &input.connection)?;
    let mark: String = job.key.chars().take(MARK_CHARACTERS).collect();
    let title = format!("{} [{mark}]", input.subject);
    let filter = json!({"tickets": {"title": {"operation": title}}});
    let list = api.get("SoftLayer_Account/getTickets", "id,title", Some(filter)).await;
    let list = list.map_err(|failed| failed.trouble("the search for an earlier ticket"))?;
    let ticket = match first(list).and_then(|found| found["id"].as_u64()) {
        Some(ticket) => ticket,
        None => {
            let parameters = json!([{"title": title, "subjectId": SUBJECT}, input.text]);
            let made = api.post("SoftLayer_Ticket/createStandardTicket", parameters).await;
            let made = made.map_err(|failed| failed.trouble("the ticket"))?;
            made["id"].as_u64().ok_or_else(|| Trouble::broken("the new ticket has no id"))?
        }
    };
    Ok(from_json(json!({ "ticket": ticket })))
}

#[derive(Deserialize)]
struct Status {
    connection: String,
    ticket: Name,
}

pub(super) async fn status(job: Job, cx: Cx) -> Answer {
    let input: Status = job.input()?;
    let api = Api::new(&cx, &input.connection)?;
    let ticket = id(&input.ticket)?;
    let path = format!("SoftLayer_Ticket/{ticket}/getObject");
    let mask = "id,title,status[name],updates[entry,createDate,editorType]";
    let found = api.get(&path, mask, None).await;
    let found = found.map_err(|failed| failed.trouble(&format!("ticket {ticket}")))?;
    let status = found["status"]["name"].as_str().unwrap_or("unknown");
    let updates = found["updates"].as_array().into_iter().flatten();
    let mut theirs = updates.filter(|one| one["editorType"] != "USER");
    let answer = theirs.next_back().map_or(Value::Null, |one| one["entry"].clone());
    let closed = status == "Closed";
    // `ready` is the word that waiting processes look for
    Ok(from_json(json!({"closed": closed, "ready": closed, "status": status, "answer": answer})))
}
