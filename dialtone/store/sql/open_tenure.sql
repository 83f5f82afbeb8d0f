INSERT INTO slice_series (
    tenant, flow, probe, location, interval, sli, timing, threshold, other, since, until
) VALUES (
    :tenant, :flow, :probe, :location, :interval, :sli, :timing, :threshold, :other, :since, :until
)
RETURNING id
