// Servers × stages: colour and sign, each cell the way to the instance that does the work.

import type { Cell, CellState, Server, Stage } from '../api/types';
import { useMemo } from 'preact/hooks';
import { stateSign } from '../ui/badge';
import { useParameters } from '../ui/location';
import { Search } from '../ui/search';
import { Empty } from '../ui/states';
import { between } from '../ui/time';
import { STATE_WORDS } from './words';

const LEGEND: CellState[] = ['pending', 'running', 'waiting', 'person', 'done', 'failed', 'skipped'];
/** With fewer rows a search field is in the way. */
const SEARCH_FROM = 12;

export function HeatTable({ stages, servers, clock }: { stages: Stage[]; servers: Server[]; clock: string }) {
  const [{ server }, change] = useParameters({ server: '' });
  // Counts of a stage change often, names do not.
  const names = useMemo(() => stages.map(({ id, name }) => ({ id, name })), [stages.map(({ id, name }) => `${id} ${name}`).join()]);
  const wanted = server.toLowerCase();
  const shown = servers.filter(({ name, wave, os }) => `${name} ${wave ?? ''} ${os ?? ''}`.toLowerCase().includes(wanted));
  return (
    <section class="panel" aria-labelledby="servers-title">
      <div class="panel-head filters">
        <h2 id="servers-title">Servers</h2>
        <small>{servers.length}</small>
        {servers.length >= SEARCH_FROM && <Search label="Search servers" value={server} set={(value) => change({ server: value })} />}
      </div>
      {shown.length === 0 ? (
        servers.length === 0 ? (
          <Empty title="No servers known yet">Discovery fills this table.</Empty>
        ) : (
          <Empty title={`No server fits “${server}”`} />
        )
      ) : (
        <>
          <div class="scroll heat-scroll" tabIndex={0} role="group" aria-labelledby="servers-title">
            <table class="heat">
              <caption class="visually-hidden">State of every server in every stage</caption>
              <thead>
                <tr>
                  <th scope="col">Server</th>
                  {stages.map((stage) => (
                    <th key={stage.id} scope="col">
                      {stage.name}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {shown.map((row) => (
                  <HeatRow key={row.name} row={row} names={names} clock={row.cells.some(isLive) ? clock : ''} />
                ))}
              </tbody>
            </table>
          </div>
          <ul class="legend" aria-label="Signs">
            {LEGEND.map((state) => (
              <li key={state} data-state={state}>
                <span class="swatch" aria-hidden="true">
                  {stateSign(state)}
                </span>
                {STATE_WORDS[state]}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

const isLive = ({ state }: Cell) => state === 'running' || state === 'waiting' || state === 'person' || state === 'failed';

/** Drawn again only when something of it changed: there may be five hundred. An unchanged row keeps its identity in the query. */
function HeatRow({ row, names, clock }: { row: Server; names: Pick<Stage, 'id' | 'name'>[]; clock: string }) {
  return useMemo(
    () => (
      <tr>
        <th scope="row">
          {row.name}
          <small>{[row.os, row.wave].filter(Boolean).join(' · ')}</small>
        </th>
        {names.map(({ id, name }) => (
          <HeatCell key={id} cell={row.cells.find(({ stage }) => stage === id)} server={row.name} stage={name} clock={clock} />
        ))}
      </tr>
    ),
    [row, names, clock],
  );
}

function HeatCell({ cell, server, stage, clock }: { cell: Cell | undefined; server: string; stage: string; clock: string }) {
  const state = cell?.state ?? 'pending';
  const since = cell?.since && isLive(cell) ? between(cell.since, clock) : null;
  const words = `${STATE_WORDS[state]}${since ? ` for ${since}` : ''}`;
  const face = (
    <>
      <span aria-hidden="true">{stateSign(state)}</span>
      {since && (
        <span class="heat-since" aria-hidden="true">
          {since}
        </span>
      )}
      <span class="visually-hidden">{`${server}, ${stage}: ${words}`}</span>
    </>
  );
  return (
    <td data-state={state}>
      {cell?.instance ? (
        <a class="heat-cell" href={`/console/instances/${encodeURIComponent(cell.instance)}`} title={`${server}, ${stage}: ${words}`}>
          {face}
        </a>
      ) : (
        <span class="heat-cell" title={`${server}, ${stage}: ${words}`}>
          {face}
        </span>
      )}
    </td>
  );
}
