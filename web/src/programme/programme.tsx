// One programme: how far each stage is, every server in every stage, what is waited for, and the segments of the paper's
// Table IV beside what was measured.

import type { CellState, Programme, Stages } from '../api/types';
import { useProgrammes, useStages } from '../api/queries';
import { useLocation } from 'preact-iso';
import { Badge } from '../ui/badge';
import { Page } from '../ui/page';
import { Answer } from '../ui/states';
import { between, Time } from '../ui/time';
import { HeatTable } from './heat';
import { SegmentTable } from './segments';
import { StageStrip } from './strip';
import { WaitingList } from './waiting';
import './programme.css';

const WORDS: Record<Programme['state'], [CellState, string]> = {
  running: ['running', 'Running'],
  done: ['done', 'Done'],
  failed: ['failed', 'Ended with an exception'],
  aborted: ['skipped', 'Aborted'],
};

export function ProgrammePage({ id }: { id: string }) {
  const stages = useStages(id);
  const programme = stages.data?.programme;
  return (
    <Page
      title={programme?.name ?? 'Programme'}
      badge={programme && <Badge state={WORDS[programme.state][0]}>{WORDS[programme.state][1]}</Badge>}
      actions={<OtherProgrammes id={id} />}
    >
      <Answer of={stages} what="programme">
        {(data) => <Overview data={data} />}
      </Answer>
    </Page>
  );
}

function Overview({ data }: { data: Stages }) {
  const { programme } = data;
  return (
    <>
      <p class="muted">
        Started <Time at={programme.startedAt} />
        {programme.endedAt ? (
          <>
            , ended <Time at={programme.endedAt} /> after {between(programme.startedAt, programme.endedAt)}
          </>
        ) : (
          <>, running for {between(programme.startedAt, data.clock)}</>
        )}
      </p>
      <StageStrip stages={data.stages} />
      <div class="programme">
        <HeatTable stages={data.stages} servers={data.servers} clock={data.clock} />
        <div class="programme-side">
          <WaitingList waiting={data.waiting} clock={data.clock} ended={programme.endedAt !== null} />
          <SegmentTable segments={data.segments} notes={data.notes} />
        </div>
      </div>
    </>
  );
}

/** A choice only where there is one. */
function OtherProgrammes({ id }: { id: string }) {
  const programmes = useProgrammes();
  const { route } = useLocation();
  const items = programmes.data?.items ?? [];
  if (items.length < 2) return null;
  return (
    <select aria-label="Programme" value={id} onChange={(event) => route(`/programme/${encodeURIComponent(event.currentTarget.value)}`)}>
      {items.map((item) => (
        <option key={item.id} value={item.id}>
          {item.name}
        </option>
      ))}
    </select>
  );
}
