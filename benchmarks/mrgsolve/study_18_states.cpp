$PROB
study_18_states, written by ketasim. For research; not for decisions on the care of a patient.
Time in h; amounts in the unit of each compartment. ketasim export mrgsolve --data writes a data set that fits.

$PARAM @annotated
CL_s : 95.0 : CL_s (L/h)
CL_r : 86.0 : CL_r (L/h)
V : 60.0 : V (L)
Q1 : 100.0 : Q1 (L/h)
V1 : 120.0 : V1 (L)
Q2 : 40.0 : Q2 (L/h)
V2 : 200.0 : V2 (L)
CL_nk : 57.0 : CL_nk (L/h)
V_nk : 150.0 : V_nk (L)
ke0 : 5.0 : ke0 (1/h)
IC_s : 0.5 : IC_s (1)
IC_r : 1.5 : IC_r (1)
kg : 6.0 : kg (1)
kb : 3.0 : kb (1)
kt : 0.5 : kt (1)
kp : 0.01 : kp (1)
ksyn : 0.06 : ksyn (1)
kdeg : 0.06 : kdeg (1)
kout : 0.2 : kout (1)
g : 2.0 : g (1)
kl : 4.0 : kl (1)
km : 0.3 : km (1)

$CMT @annotated
central_s : central_s (umol)
p1_s : p1_s (umol)
p2_s : p2_s (umol)
nk_s : nk_s (umol)
central_r : central_r (umol)
p1_r : p1_r (umol)
p2_r : p2_r (umol)
nk_r : nk_r (umol)
Ce_s : Ce_s (umol/L)
Ce_r : Ce_r (umol/L)
glu : glu (1)
ampa : ampa (1)
bdnf : bdnf (1)
mtor : mtor (1)
syn : syn (1)
lhb : lhb (1)
mood : mood (1)
slow : slow (1)

$MAIN
glu_0 = 1.0;
ampa_0 = 1.0;
bdnf_0 = 1.0;
mtor_0 = 1.0;
syn_0 = 1.0;
lhb_0 = 1.0;
mood_0 = 1.0;
slow_0 = 1.0;

$ODE
double ode_Ceff_s = Ce_s;
double ode_Ceff_r = Ce_r;
dxdt_central_s = -CL_s*central_s/V - Q1*(-p1_s/V1 + central_s/V) - Q2*(-p2_s/V2 + central_s/V);
dxdt_p1_s = Q1*(-p1_s/V1 + central_s/V);
dxdt_p2_s = Q2*(-p2_s/V2 + central_s/V);
dxdt_nk_s = -CL_nk*nk_s/V_nk + CL_s*central_s/V;
dxdt_central_r = -CL_r*central_r/V - Q1*(-p1_r/V1 + central_r/V) - Q2*(-p2_r/V2 + central_r/V);
dxdt_p1_r = Q1*(-p1_r/V1 + central_r/V);
dxdt_p2_r = Q2*(-p2_r/V2 + central_r/V);
dxdt_nk_r = -CL_nk*nk_r/V_nk + CL_r*central_r/V;
dxdt_Ce_s = ke0*(-Ce_s + central_s/V);
dxdt_Ce_r = ke0*(-Ce_r + central_r/V);
dxdt_glu = kg*(g*pow(ode_Ceff_s/IC_s + ode_Ceff_r/IC_r, 2)*(-(ode_Ceff_s/IC_s + ode_Ceff_r/IC_r)/(1 + ode_Ceff_s/IC_s + ode_Ceff_r/IC_r) + 1)/((pow(ode_Ceff_s/IC_s + ode_Ceff_r/IC_r, 2)/pow(1 + ode_Ceff_s/IC_s + ode_Ceff_r/IC_r, 2) + 0.09)*pow(1 + ode_Ceff_s/IC_s + ode_Ceff_r/IC_r, 2)) - glu + 1);
dxdt_ampa = kb*(-ampa + glu);
dxdt_bdnf = kt*(pow(ampa, 2)/(0.5*pow(ampa, 2) + 0.5) - bdnf);
dxdt_mtor = km*(bdnf - mtor);
dxdt_syn = -kdeg*syn + ksyn*mtor;
dxdt_lhb = kl*(-lhb - 0.8*(ode_Ceff_s/IC_s + ode_Ceff_r/IC_r)/(1 + ode_Ceff_s/IC_s + ode_Ceff_r/IC_r) + 1);
dxdt_mood = kout*(0.5*lhb - mood - 0.3*syn + 0.8);
dxdt_slow = kp*(mood*syn - slow);

$TABLE
double Ceff_s = Ce_s;
double Ceff_r = Ce_r;

$CAPTURE
Ceff_s Ceff_r
