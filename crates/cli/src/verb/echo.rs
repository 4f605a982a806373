//! `tipring echo`: takes calls and sends back what is heard.

use tipring::Call;
use tipring::msp_core::media::Direction;
use tipring::msp_core::trace::Trace;
use tipring::msp_engine::{Clock, SystemClock};
use tipring::terminals::Echo;
use tokio::sync::mpsc;

use crate::args::EchoArgs;
use crate::exit::Fail;
use crate::listen::{SIP_PORT, listen};
use crate::output::Output;
use crate::talk::{Files, Plan, talk};

pub(crate) async fn run(args: &EchoArgs) -> Result<(), Fail> {
    let builder = args.line.builder(None, SIP_PORT, Trace::OFF, &args.peer)?;
    let builder = args.trust.on(builder);
    let out = Output::new(&args.output, SystemClock.now());
    listen(builder, None, out, args.max_calls, |call, _| one(call, out)).await
}

async fn one(call: Call, out: Output) -> Result<(), Fail> {
    let events = call.events();
    let echo = Echo::new();
    call.select(Direction::Capture, echo.clone())?;
    call.select(Direction::Render, echo)?;
    call.start_answer()?;
    let (wishes, _nobody) = mpsc::unbounded_channel();
    let (plan, files) = (Plan::default(), Files::default());
    let talked = talk(&call, events, &plan, &files, &out, wishes).await?;
    talked.result(None)
}
