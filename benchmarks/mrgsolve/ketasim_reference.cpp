$PROB
ketasim_reference@2, written by ketasim. For research; not for decisions on the care of a patient.
Time in h; amounts in the unit of each compartment. ketasim export mrgsolve --data writes a data set that fits.

$PARAM @annotated
TV_CLint : 309.4 : typical hepatic intrinsic clearance of S-ketamine, referred to plasma concentration (L/h)
TV_Qh : 120.4 : typical hepatic flow, plasma-equivalent (L/h)
TV_V_liver : 79.95 : typical distribution volume of the liver, apparent (L)
f_2B6 : 0.625 : share of CLint by CYP2B6, forms norketamine (1)
ratio_3A4_other : 0.4629 : CLint by CYP3A4 (forms norketamine) over that by other pathways, together 1 - f_2B6 (1)
A_2B6_liver : 1.0 : activity of CYP2B6 in the liver relative to normal (1)
A_3A4_liver : 1.0 : activity of CYP3A4 in the liver relative to normal (1)
A_3A4_gut : 1.0 : activity of CYP3A4 in the gut wall relative to normal (1)
TV_A_other_liver : 1.0 : typical activity of the remaining hepatic pathways relative to normal (1)
TV_A_liver : 1.0 : typical activity of the whole liver relative to normal (cirrhosis) (1)
TV_A_genotype : 1.0 : typical intrinsic clearance of this CYP2B6 genotype relative to *1/*1, felt in the share CYP2B6_effect (1)
CYP2B6_effect : 0.0 : switch of the genotype effect, 0 none (default), 1 as in chronic pain (1)
E_gut : 1.457 : intrinsic clearance of the gut wall over villous flow, gut availability is 1 / (1 + E_gut) (1)
TV_Vc : 17.88 : typical arterial central volume of S-ketamine (L)
TV_Vp1 : 105.3 : typical first peripheral volume of S-ketamine (L)
TV_Q1 : 135.1 : typical intercompartmental clearance to Vp1 (L/h)
TV_Vp2 : 320.3 : typical second peripheral volume of S-ketamine (L)
TV_Q2 : 47.08 : typical intercompartmental clearance to Vp2 (L/h)
k_mix : 120.0 : mixing in right heart and lung before the artery (1/h)
f_fast : 0.4173 : share of forearm venous blood from skin and arteriovenous shunts (1)
k_fast : 60.0 : turnover of that fast part of the forearm (1/h)
k_slow : 1.325 : turnover of the slow part (muscle) of the forearm, ketamine (1/h)
k_slow_nk : 4.278 : turnover of the slow part (muscle) of the forearm, norketamine (1/h)
TV_CL_nk : 59.03 : typical clearance of S-norketamine (L/h)
TV_Vc_nk : 54.25 : typical central volume of norketamine (L)
TV_Q1_nk : 104.4 : typical intercompartmental clearance of norketamine (L/h)
TV_Vp1_nk : 90.49 : typical peripheral volume of norketamine (L)
fm_hnk : 0.5222 : share of S-norketamine clearance that forms (2S,6S)-hydroxynorketamine (1)
fm_hnk_r : 0.744 : share of R-norketamine clearance that forms (2R,6R)-hydroxynorketamine (1)
TV_CL_hnk : 55.980000000000004 : typical clearance of hydroxynorketamine (L/h)
TV_Vc_hnk : 4.4 : typical central volume of hydroxynorketamine (L)
TV_Q1_hnk : 102.0 : typical intercompartmental clearance of hydroxynorketamine (L/h)
TV_Vp1_hnk : 87.5 : typical peripheral volume of hydroxynorketamine (L)
ratio_CLint_r : 0.9027 : CLint of R- over S-ketamine (1)
ratio_V_r : 0.9222 : volumes of R- over S-ketamine (1)
ratio_CL_nk_r : 0.6397 : clearance of R- over S-norketamine (1)
ratio_dhnk_s : 0.1206 : concentration of S-dehydronorketamine over S-norketamine, near equilibrium (1)
ratio_dhnk_r : 0.1574 : concentration of R-dehydronorketamine over R-norketamine, near equilibrium (1)
fu_s : 0.65 : unbound fraction of S-ketamine in plasma (1)
fu_r : 0.71 : unbound fraction of R-ketamine in plasma (1)
fu_nk : 0.5 : unbound fraction of norketamine in plasma (1)
fu_hnk : 0.5 : unbound fraction of hydroxynorketamine in plasma (1)
Kpuu : 0.6 : unbound brain over unbound arterial plasma at equilibrium, ketamine (1)
Kpuu_nk : 0.16 : the same for norketamine (1)
Kpuu_hnk : 0.16 : the same for hydroxynorketamine (1)
k_brain : 5.010000000000001 : equilibration of unbound brain with arterial plasma (1/h)
TV_F_nasal : 0.4399 : typical fraction of one nasal device (28 mg) absorbed through the mucosa (1)
sat_nasal : 0.62 : that fraction for the second and later device of a session, relative to the first (1)
n_devices : 1.0 : nasal devices (28 mg) in one session (set by the doses) (1)
TV_ka_nasal : 2.848 : typical absorption through the nasal mucosa (1/h)
D_nasal_swallowed : 0.53 : zero-order duration of the swallowed part of a nasal dose (h)
TV_ka_nasal_swallowed : 1.45 : typical absorption of the swallowed part of a nasal dose (1/h)
D_oral : 0.32 : zero-order duration of an oral dose (h)
TV_ka_oral : 1.198 : typical absorption of an oral dose (1/h)
D_oral_pr : 4.25 : zero-order release of a prolonged-release tablet (h)
ka_oral_pr : 0.2178 : absorption from a prolonged-release tablet (1/h)
TV_F_mucosa : 0.2206 : typical fraction of a sublingual or buccal dose absorbed through the mucosa (1)
TV_D_mucosa : 0.21833333333333332 : typical zero-order duration of mucosal uptake (h)
TV_ka_mucosa : 2.801 : typical absorption through the oral mucosa (1/h)
TV_D_mucosa_swallowed : 0.4983333333333333 : typical zero-order duration of the swallowed part of a sublingual or buccal dose (h)
TV_ka_mucosa_swallowed : 2.94 : typical absorption of the swallowed part of a sublingual or buccal dose (1/h)
F_im : 1.0 : bioavailability after injection into muscle (1)
TV_ka_im : 4.853 : typical absorption from muscle (1/h)
F_sc : 1.0 : bioavailability after subcutaneous injection (1)
TV_ka_sc : 1.16 : typical absorption from subcutaneous tissue (1/h)
f_rectal : 0.1839 : share of rectal absorption that bypasses the liver (1)
TV_ka_rectal : 1.2 : typical absorption from the rectum (1/h)
F_inhaled : 0.7 : fraction of a nebulised dose that reaches blood (1)
ka_inhaled : 3.0 : absorption through the lung (1/h)

$PARAM @annotated
WT : 70.0 : body weight (kg)
AGE : 60.0 : age (year)
RACE : 5.0 : ethnicity, 0 white, 1 black, 2 asian, 3 japanese, 4 chinese, 5 other (1)
CHILD_PUGH : 0.0 : hepatic impairment, Child-Pugh class, 0 none, 1 A, 2 B, 3 C (1)
EGFR : 100.0 : estimated glomerular filtration rate (mL/min/1.73m^2)
CYP2B6 : 0.0 : CYP2B6 genotype, 0 *1/*1, 1 *1/*6, 2 *6/*6 (1)

$CMT @annotated
oral_s : S-ketamine, stomach and gut lumen, oral solution or immediate-release tablet (umol)
oral_pr_s : S-ketamine, gut lumen, prolonged-release tablet (umol)
nasal_s : S-ketamine, nasal mucosa (umol)
nasal_swallowed_s : S-ketamine, gut lumen, swallowed part of a nasal dose (umol)
mucosa_s : S-ketamine, oral mucosa (sublingual and buccal) (umol)
mucosa_swallowed_s : S-ketamine, gut lumen, swallowed part of a sublingual or buccal dose (umol)
im_s : S-ketamine, muscle depot (umol)
sc_s : S-ketamine, subcutaneous depot (umol)
rectal_s : S-ketamine, rectum (umol)
inhaled_s : S-ketamine, airway and alveolar surface (umol)
mix_s : S, ketamine in venous blood and lung, before the artery (umol)
central_s : S, ketamine, arterial central compartment (umol)
peripheral1_s : S, ketamine, first peripheral compartment (umol)
peripheral2_s : S, ketamine, second peripheral compartment (umol)
liver_s : S, ketamine in the liver (umol)
forearm_fast_s : S, ketamine leaving skin and shunts of the forearm (umol/L)
forearm_slow_s : S, ketamine leaving muscle of the forearm (umol/L)
central_nk_s : S, norketamine, central compartment (umol)
peripheral1_nk_s : S, norketamine, peripheral compartment (umol)
forearm_slow_nk_s : S, norketamine leaving muscle of the forearm (umol/L)
central_hnk_s : S, hydroxynorketamine, central compartment (umol)
peripheral1_hnk_s : S, hydroxynorketamine, peripheral compartment (umol)
brain_s : S, unbound ketamine in brain (umol/L)
brain_nk_s : S, unbound norketamine in brain (umol/L)
brain_hnk_s : S, unbound hydroxynorketamine in brain (umol/L)
oral_r : R-ketamine, stomach and gut lumen, oral solution or immediate-release tablet (umol)
oral_pr_r : R-ketamine, gut lumen, prolonged-release tablet (umol)
nasal_r : R-ketamine, nasal mucosa (umol)
nasal_swallowed_r : R-ketamine, gut lumen, swallowed part of a nasal dose (umol)
mucosa_r : R-ketamine, oral mucosa (sublingual and buccal) (umol)
mucosa_swallowed_r : R-ketamine, gut lumen, swallowed part of a sublingual or buccal dose (umol)
im_r : R-ketamine, muscle depot (umol)
sc_r : R-ketamine, subcutaneous depot (umol)
rectal_r : R-ketamine, rectum (umol)
inhaled_r : R-ketamine, airway and alveolar surface (umol)
mix_r : R, ketamine in venous blood and lung, before the artery (umol)
central_r : R, ketamine, arterial central compartment (umol)
peripheral1_r : R, ketamine, first peripheral compartment (umol)
peripheral2_r : R, ketamine, second peripheral compartment (umol)
liver_r : R, ketamine in the liver (umol)
forearm_fast_r : R, ketamine leaving skin and shunts of the forearm (umol/L)
forearm_slow_r : R, ketamine leaving muscle of the forearm (umol/L)
central_nk_r : R, norketamine, central compartment (umol)
peripheral1_nk_r : R, norketamine, peripheral compartment (umol)
forearm_slow_nk_r : R, norketamine leaving muscle of the forearm (umol/L)
central_hnk_r : R, hydroxynorketamine, central compartment (umol)
peripheral1_hnk_r : R, hydroxynorketamine, peripheral compartment (umol)
brain_r : R, unbound ketamine in brain (umol/L)
brain_nk_r : R, unbound norketamine in brain (umol/L)
brain_hnk_r : R, unbound hydroxynorketamine in brain (umol/L)

$MAIN
double CLint = TV_CLint*pow(WT/70.0, 0.75)*exp(ETA(1));
double Qh = TV_Qh*pow(WT/70.0, 0.75)*(1.0 - 0.0145*fmax(AGE - 60.0, 0.0))*exp(ETA(2));
double V_liver = TV_V_liver*(WT/70.0)*exp(ETA(3));
double A_other_liver = TV_A_other_liver*(RACE == 2 || RACE == 3 || RACE == 4 ? 0.36 : 1.0);
double A_liver = TV_A_liver*(CHILD_PUGH == 1 ? 0.5 : CHILD_PUGH == 2 ? 0.29 : CHILD_PUGH == 3 ? 0.2 : 1.0)*pow(fmin(EGFR, 100.0)/100.0, 0.42);
double A_genotype = TV_A_genotype*(CYP2B6 == 1 ? 0.29 : CYP2B6 == 2 ? 0.12 : 1.0);
double Vc = TV_Vc*(WT/70.0)*exp(ETA(4));
double Vp1 = TV_Vp1*(WT/70.0)*exp(ETA(5));
double Q1 = TV_Q1*pow(WT/70.0, 0.75);
double Vp2 = TV_Vp2*(WT/70.0);
double Q2 = TV_Q2*pow(WT/70.0, 0.75)*exp(ETA(6));
double CL_nk = TV_CL_nk*pow(WT/70.0, 0.75)*(RACE == 2 || RACE == 3 || RACE == 4 ? 0.81 : 1.0)*exp(ETA(7));
double Vc_nk = TV_Vc_nk*(WT/70.0)*exp(ETA(8));
double Q1_nk = TV_Q1_nk*pow(WT/70.0, 0.75);
double Vp1_nk = TV_Vp1_nk*(WT/70.0);
double CL_hnk = TV_CL_hnk*pow(WT/70.0, 0.75)*exp(ETA(9));
double Vc_hnk = TV_Vc_hnk*(WT/70.0)*exp(ETA(10));
double Q1_hnk = TV_Q1_hnk*pow(WT/70.0, 0.75)*exp(ETA(11));
double Vp1_hnk = TV_Vp1_hnk*(WT/70.0)*exp(ETA(12));
double F_nasal = 1.0/(1.0 + (1.0/(TV_F_nasal*(RACE == 3 ? 1.34 : 1.0)) - 1.0)*exp(-(ETA(13))));
double ka_nasal = TV_ka_nasal*exp(ETA(14));
double ka_nasal_swallowed = TV_ka_nasal_swallowed*exp(ETA(15));
double ka_oral = TV_ka_oral*exp(ETA(16));
double F_mucosa = TV_F_mucosa*exp(ETA(17));
double D_mucosa = TV_D_mucosa*exp(ETA(18));
double ka_mucosa = TV_ka_mucosa*exp(ETA(19));
double D_mucosa_swallowed = TV_D_mucosa_swallowed*exp(ETA(20));
double ka_mucosa_swallowed = TV_ka_mucosa_swallowed*exp(ETA(21));
double ka_im = TV_ka_im*exp(ETA(22));
double ka_sc = TV_ka_sc*exp(ETA(23));
double ka_rectal = TV_ka_rectal*exp(ETA(24));
F_nasal_s = F_nasal*(sat_nasal*(n_devices - 1.0) + 1.0)/n_devices;
F_nasal_r = F_nasal*(sat_nasal*(n_devices - 1.0) + 1.0)/n_devices;
F_nasal_swallowed_s = -F_nasal*(sat_nasal*(n_devices - 1.0) + 1.0)/n_devices + 1.0;
D_nasal_swallowed_s = D_nasal_swallowed;
F_nasal_swallowed_r = -F_nasal*(sat_nasal*(n_devices - 1.0) + 1.0)/n_devices + 1.0;
D_nasal_swallowed_r = D_nasal_swallowed;
D_oral_s = D_oral;
D_oral_r = D_oral;
D_oral_pr_s = D_oral_pr;
D_oral_pr_r = D_oral_pr;
F_mucosa_s = F_mucosa;
D_mucosa_s = D_mucosa;
F_mucosa_r = F_mucosa;
D_mucosa_r = D_mucosa;
F_mucosa_swallowed_s = 1.0 - F_mucosa;
D_mucosa_swallowed_s = D_mucosa_swallowed;
F_mucosa_swallowed_r = 1.0 - F_mucosa;
D_mucosa_swallowed_r = D_mucosa_swallowed;
F_im_s = F_im;
F_im_r = F_im;
F_sc_s = F_sc;
F_sc_r = F_sc;
F_inhaled_s = F_inhaled;
F_inhaled_r = F_inhaled;

$ODE
dxdt_oral_s = -ka_oral*oral_s;
dxdt_oral_pr_s = -ka_oral_pr*oral_pr_s;
dxdt_nasal_s = -ka_nasal*nasal_s;
dxdt_nasal_swallowed_s = -ka_nasal_swallowed*nasal_swallowed_s;
dxdt_mucosa_s = -ka_mucosa*mucosa_s;
dxdt_mucosa_swallowed_s = -ka_mucosa_swallowed*mucosa_swallowed_s;
dxdt_im_s = -im_s*ka_im;
dxdt_sc_s = -ka_sc*sc_s;
dxdt_rectal_s = -ka_rectal*rectal_s;
dxdt_inhaled_s = -inhaled_s*ka_inhaled;
dxdt_mix_s = f_rectal*ka_rectal*rectal_s + im_s*ka_im + inhaled_s*ka_inhaled - k_mix*mix_s + ka_mucosa*mucosa_s + ka_nasal*nasal_s + ka_sc*sc_s;
dxdt_central_s = -Q1*(-1.0*peripheral1_s/Vp1 + 1.0*central_s/Vc) - Q2*(-1.0*peripheral2_s/Vp2 + 1.0*central_s/Vc) - Qh*(1.0*central_s/Vc - liver_s/V_liver) + k_mix*mix_s;
dxdt_peripheral1_s = Q1*(-1.0*peripheral1_s/Vp1 + 1.0*central_s/Vc);
dxdt_peripheral2_s = Q2*(-1.0*peripheral2_s/Vp2 + 1.0*central_s/Vc);
dxdt_liver_s = Qh*(1.0*central_s/Vc - liver_s/V_liver) + 1.0*(-f_rectal*ka_rectal*rectal_s + ka_mucosa_swallowed*mucosa_swallowed_s + ka_nasal_swallowed*nasal_swallowed_s + ka_oral*oral_s + ka_oral_pr*oral_pr_s + ka_rectal*rectal_s)/(A_3A4_gut*E_gut + 1.0) - liver_s*(1.0*A_liver*A_other_liver*CLint*(1.0 - f_2B6)*(CYP2B6_effect*(A_genotype - 1.0) + 1.0)/(ratio_3A4_other + 1.0) + 1.0*A_liver*CLint*(A_2B6_liver*f_2B6 + A_3A4_liver*ratio_3A4_other*(1.0 - f_2B6)/(ratio_3A4_other + 1.0))*(CYP2B6_effect*(A_genotype - 1.0) + 1.0))/V_liver;
dxdt_forearm_fast_s = k_fast*(-forearm_fast_s + 1.0*central_s/Vc);
dxdt_forearm_slow_s = k_slow*(-forearm_slow_s + 1.0*central_s/Vc);
dxdt_central_nk_s = 1.0*A_liver*CLint*liver_s*(A_2B6_liver*f_2B6 + A_3A4_liver*ratio_3A4_other*(1.0 - f_2B6)/(ratio_3A4_other + 1.0))*(CYP2B6_effect*(A_genotype - 1.0) + 1.0)/V_liver - 1.0*CL_nk*central_nk_s/Vc_nk - Q1_nk*(-peripheral1_nk_s/Vp1_nk + central_nk_s/Vc_nk) + (1.0 - 1.0/(A_3A4_gut*E_gut + 1.0))*(-f_rectal*ka_rectal*rectal_s + ka_mucosa_swallowed*mucosa_swallowed_s + ka_nasal_swallowed*nasal_swallowed_s + ka_oral*oral_s + ka_oral_pr*oral_pr_s + ka_rectal*rectal_s);
dxdt_peripheral1_nk_s = Q1_nk*(-peripheral1_nk_s/Vp1_nk + central_nk_s/Vc_nk);
dxdt_forearm_slow_nk_s = k_slow_nk*(-forearm_slow_nk_s + central_nk_s/Vc_nk);
dxdt_central_hnk_s = -CL_hnk*central_hnk_s/Vc_hnk + 1.0*CL_nk*central_nk_s*fm_hnk/Vc_nk - Q1_hnk*(-peripheral1_hnk_s/Vp1_hnk + central_hnk_s/Vc_hnk);
dxdt_peripheral1_hnk_s = Q1_hnk*(-peripheral1_hnk_s/Vp1_hnk + central_hnk_s/Vc_hnk);
dxdt_brain_s = k_brain*(1.0*Kpuu*central_s*fu_s/Vc - brain_s);
dxdt_brain_nk_s = k_brain*(Kpuu_nk*central_nk_s*fu_nk/Vc_nk - brain_nk_s);
dxdt_brain_hnk_s = k_brain*(Kpuu_hnk*central_hnk_s*fu_hnk/Vc_hnk - brain_hnk_s);
dxdt_oral_r = -ka_oral*oral_r;
dxdt_oral_pr_r = -ka_oral_pr*oral_pr_r;
dxdt_nasal_r = -ka_nasal*nasal_r;
dxdt_nasal_swallowed_r = -ka_nasal_swallowed*nasal_swallowed_r;
dxdt_mucosa_r = -ka_mucosa*mucosa_r;
dxdt_mucosa_swallowed_r = -ka_mucosa_swallowed*mucosa_swallowed_r;
dxdt_im_r = -im_r*ka_im;
dxdt_sc_r = -ka_sc*sc_r;
dxdt_rectal_r = -ka_rectal*rectal_r;
dxdt_inhaled_r = -inhaled_r*ka_inhaled;
dxdt_mix_r = f_rectal*ka_rectal*rectal_r + im_r*ka_im + inhaled_r*ka_inhaled - k_mix*mix_r + ka_mucosa*mucosa_r + ka_nasal*nasal_r + ka_sc*sc_r;
dxdt_central_r = -Q1*(-peripheral1_r/(Vp1*ratio_V_r) + central_r/(Vc*ratio_V_r)) - Q2*(-peripheral2_r/(Vp2*ratio_V_r) + central_r/(Vc*ratio_V_r)) - Qh*(central_r/(Vc*ratio_V_r) - liver_r/V_liver) + k_mix*mix_r;
dxdt_peripheral1_r = Q1*(-peripheral1_r/(Vp1*ratio_V_r) + central_r/(Vc*ratio_V_r));
dxdt_peripheral2_r = Q2*(-peripheral2_r/(Vp2*ratio_V_r) + central_r/(Vc*ratio_V_r));
dxdt_liver_r = Qh*(central_r/(Vc*ratio_V_r) - liver_r/V_liver) + 1.0*(-f_rectal*ka_rectal*rectal_r + ka_mucosa_swallowed*mucosa_swallowed_r + ka_nasal_swallowed*nasal_swallowed_r + ka_oral*oral_r + ka_oral_pr*oral_pr_r + ka_rectal*rectal_r)/(A_3A4_gut*E_gut + 1.0) - liver_r*(A_liver*A_other_liver*CLint*ratio_CLint_r*(1.0 - f_2B6)*(CYP2B6_effect*(A_genotype - 1.0) + 1.0)/(ratio_3A4_other + 1.0) + A_liver*CLint*ratio_CLint_r*(A_2B6_liver*f_2B6 + A_3A4_liver*ratio_3A4_other*(1.0 - f_2B6)/(ratio_3A4_other + 1.0))*(CYP2B6_effect*(A_genotype - 1.0) + 1.0))/V_liver;
dxdt_forearm_fast_r = k_fast*(-forearm_fast_r + central_r/(Vc*ratio_V_r));
dxdt_forearm_slow_r = k_slow*(-forearm_slow_r + central_r/(Vc*ratio_V_r));
dxdt_central_nk_r = A_liver*CLint*liver_r*ratio_CLint_r*(A_2B6_liver*f_2B6 + A_3A4_liver*ratio_3A4_other*(1.0 - f_2B6)/(ratio_3A4_other + 1.0))*(CYP2B6_effect*(A_genotype - 1.0) + 1.0)/V_liver - CL_nk*central_nk_r*ratio_CL_nk_r/Vc_nk - Q1_nk*(-peripheral1_nk_r/Vp1_nk + central_nk_r/Vc_nk) + (1.0 - 1.0/(A_3A4_gut*E_gut + 1.0))*(-f_rectal*ka_rectal*rectal_r + ka_mucosa_swallowed*mucosa_swallowed_r + ka_nasal_swallowed*nasal_swallowed_r + ka_oral*oral_r + ka_oral_pr*oral_pr_r + ka_rectal*rectal_r);
dxdt_peripheral1_nk_r = Q1_nk*(-peripheral1_nk_r/Vp1_nk + central_nk_r/Vc_nk);
dxdt_forearm_slow_nk_r = k_slow_nk*(-forearm_slow_nk_r + central_nk_r/Vc_nk);
dxdt_central_hnk_r = -CL_hnk*central_hnk_r/Vc_hnk + CL_nk*central_nk_r*fm_hnk_r*ratio_CL_nk_r/Vc_nk - Q1_hnk*(-peripheral1_hnk_r/Vp1_hnk + central_hnk_r/Vc_hnk);
dxdt_peripheral1_hnk_r = Q1_hnk*(-peripheral1_hnk_r/Vp1_hnk + central_hnk_r/Vc_hnk);
dxdt_brain_r = k_brain*(Kpuu*central_r*fu_r/(Vc*ratio_V_r) - brain_r);
dxdt_brain_nk_r = k_brain*(Kpuu_nk*central_nk_r*fu_nk/Vc_nk - brain_nk_r);
dxdt_brain_hnk_r = k_brain*(Kpuu_hnk*central_hnk_r*fu_hnk/Vc_hnk - brain_hnk_r);

$TABLE
double C_venous_s_ketamine = f_fast*forearm_fast_s + forearm_slow_s*(1.0 - f_fast);
double C_venous_s_norketamine = forearm_slow_nk_s*(1.0 - f_fast) + central_nk_s*f_fast/Vc_nk;
double C_venous_s_hnk = central_hnk_s/Vc_hnk;
double C_venous_s_dhnk = ratio_dhnk_s*(forearm_slow_nk_s*(1.0 - f_fast) + central_nk_s*f_fast/Vc_nk);
double C_arterial_s_ketamine = 1.0*central_s/Vc;
double C_arterial_s_norketamine = central_nk_s/Vc_nk;
double C_arterial_s_hnk = central_hnk_s/Vc_hnk;
double C_arterial_s_dhnk = central_nk_s*ratio_dhnk_s/Vc_nk;
double C_brain_unbound_s_ketamine = brain_s;
double C_brain_unbound_s_norketamine = brain_nk_s;
double C_brain_unbound_s_hnk = brain_hnk_s;
double C_venous_r_ketamine = f_fast*forearm_fast_r + forearm_slow_r*(1.0 - f_fast);
double C_venous_r_norketamine = forearm_slow_nk_r*(1.0 - f_fast) + central_nk_r*f_fast/Vc_nk;
double C_venous_r_hnk = central_hnk_r/Vc_hnk;
double C_venous_r_dhnk = ratio_dhnk_r*(forearm_slow_nk_r*(1.0 - f_fast) + central_nk_r*f_fast/Vc_nk);
double C_arterial_r_ketamine = central_r/(Vc*ratio_V_r);
double C_arterial_r_norketamine = central_nk_r/Vc_nk;
double C_arterial_r_hnk = central_hnk_r/Vc_hnk;
double C_arterial_r_dhnk = central_nk_r*ratio_dhnk_r/Vc_nk;
double C_brain_unbound_r_ketamine = brain_r;
double C_brain_unbound_r_norketamine = brain_nk_r;
double C_brain_unbound_r_hnk = brain_hnk_r;
double DV_C_venous_s_ketamine = C_venous_s_ketamine*exp(EPS(1));
double DV_C_venous_r_ketamine = C_venous_r_ketamine*exp(EPS(2));
double DV_C_venous_s_norketamine = C_venous_s_norketamine*exp(EPS(3));
double DV_C_venous_r_norketamine = C_venous_r_norketamine*exp(EPS(4));

$CAPTURE
C_venous_s_ketamine C_venous_s_norketamine C_venous_s_hnk C_venous_s_dhnk C_arterial_s_ketamine C_arterial_s_norketamine
C_arterial_s_hnk C_arterial_s_dhnk C_brain_unbound_s_ketamine C_brain_unbound_s_norketamine C_brain_unbound_s_hnk
C_venous_r_ketamine C_venous_r_norketamine C_venous_r_hnk C_venous_r_dhnk C_arterial_r_ketamine C_arterial_r_norketamine
C_arterial_r_hnk C_arterial_r_dhnk C_brain_unbound_r_ketamine C_brain_unbound_r_norketamine C_brain_unbound_r_hnk
DV_C_venous_s_ketamine DV_C_venous_r_ketamine DV_C_venous_s_norketamine DV_C_venous_r_norketamine CLint Qh V_liver
A_other_liver A_liver A_genotype Vc Vp1 Q1 Vp2 Q2 CL_nk Vc_nk Q1_nk Vp1_nk CL_hnk Vc_hnk Q1_hnk Vp1_hnk F_nasal ka_nasal
ka_nasal_swallowed ka_oral F_mucosa D_mucosa ka_mucosa D_mucosa_swallowed ka_mucosa_swallowed ka_im ka_sc ka_rectal

$OMEGA @annotated
ETA_CLint : 0.25 : lognormal variability of CLint
ETA_Qh : 0.05242545325376908 : lognormal variability of Qh
ETA_V_liver : 0.11307508172376128 : lognormal variability of V_liver
ETA_Vc : 0.057 : lognormal variability of Vc
ETA_Vp1 : 0.2175672325078314 : lognormal variability of Vp1
ETA_Q2 : 0.026 : lognormal variability of Q2
ETA_CL_nk : 0.06252023576920543 : lognormal variability of CL_nk
ETA_Vc_nk : 0.09517926214407285 : lognormal variability of Vc_nk
ETA_CL_hnk : 0.103 : lognormal variability of CL_hnk
ETA_Vc_hnk : 1.22 : lognormal variability of Vc_hnk
ETA_Q1_hnk : 0.287 : lognormal variability of Q1_hnk
ETA_Vp1_hnk : 0.152 : lognormal variability of Vp1_hnk
ETA_F_nasal : 0.5012639999999999 : logit variability of F_nasal
ETA_ka_nasal : 0.32079643937882985 : lognormal variability of ka_nasal
ETA_ka_nasal_swallowed : 1.0088334494213238 : lognormal variability of ka_nasal_swallowed
ETA_ka_oral : 1.0088334494213238 : lognormal variability of ka_oral
ETA_F_mucosa : 0.06 : lognormal variability of F_mucosa
ETA_D_mucosa : 0.154 : lognormal variability of D_mucosa
ETA_ka_mucosa : 0.062 : lognormal variability of ka_mucosa
ETA_D_mucosa_swallowed : 0.611 : lognormal variability of D_mucosa_swallowed
ETA_ka_mucosa_swallowed : 0.376 : lognormal variability of ka_mucosa_swallowed
ETA_ka_im : 0.22314355131420976 : lognormal variability of ka_im
ETA_ka_sc : 0.22314355131420976 : lognormal variability of ka_sc
ETA_ka_rectal : 1.0088334494213238 : lognormal variability of ka_rectal

$SIGMA @annotated
EXPONENTIAL_C_venous_s_ketamine : 0.07617600000000001 : exponential residual error of C_venous_s_ketamine (variance)
EXPONENTIAL_C_venous_r_ketamine : 0.07617600000000001 : exponential residual error of C_venous_r_ketamine (variance)
EXPONENTIAL_C_venous_s_norketamine : 0.178084 : exponential residual error of C_venous_s_norketamine (variance)
EXPONENTIAL_C_venous_r_norketamine : 0.178084 : exponential residual error of C_venous_r_norketamine (variance)
